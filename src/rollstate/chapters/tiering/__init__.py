"""The chapter ``tiering``: what it asks, records, draws and computes."""
