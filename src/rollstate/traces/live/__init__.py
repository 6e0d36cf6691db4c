"""A small chain whose every storage opcode is known: contracts, users, and what each view shows of them."""
