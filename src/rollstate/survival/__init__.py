"""Which state will be used again: survival models of the gap between two accesses of a slot."""
