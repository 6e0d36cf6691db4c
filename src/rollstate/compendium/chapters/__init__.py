"""One module per chapter: its parameters and the data it reads."""
