"""The chapter ``proving``: what it asks, records, draws and computes."""
