"""Processing steps of an export."""
