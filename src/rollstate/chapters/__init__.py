"""Chapters of the book, one folder each; the machinery finds them by name alone."""
