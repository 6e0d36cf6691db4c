"""The chapter ``observability``: what it asks, records, draws and computes."""
