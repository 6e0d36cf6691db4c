"""The chapter ``reuse``: what it asks, records, draws and computes."""
