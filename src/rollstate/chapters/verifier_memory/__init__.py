"""The chapter ``verifier_memory``: what it asks, records, draws and computes."""
