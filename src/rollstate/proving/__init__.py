"""Delay and throughput of close, prove, aggregate, verify; stands alone."""
