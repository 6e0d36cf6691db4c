"""The chapter ``traces``: what it asks, records, draws and computes."""
