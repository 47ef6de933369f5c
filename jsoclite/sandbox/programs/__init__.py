"""The programs that JSOC runs for a question."""
