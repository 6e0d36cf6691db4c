"""The chapter ``execution``: what it asks, records, draws and computes."""
