"""The chapter ``eda``: what it asks, records, draws and computes."""
