"""Observe: access traces, their schema and the sources they come from."""
