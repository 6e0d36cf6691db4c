"""The chapter ``fraud_proof``: what it asks, records, draws and computes."""
