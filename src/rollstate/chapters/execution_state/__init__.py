"""The chapter ``execution_state``: what it asks, records, draws and computes."""
