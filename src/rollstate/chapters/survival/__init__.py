"""The chapter ``survival``: what it asks, records, draws and computes."""
