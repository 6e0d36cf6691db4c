"""The chapter ``flat_kv``: what it asks, records, draws and computes."""
