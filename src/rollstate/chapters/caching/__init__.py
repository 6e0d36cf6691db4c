"""The chapter ``caching``: what it asks, records, draws and computes."""
