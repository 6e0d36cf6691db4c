"""One module per chapter: functions that take a tidy frame and return a figure."""
