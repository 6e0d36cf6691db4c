"""Files of the usual tools, each read into the same rows: one module per format, what they share in `columns`."""
