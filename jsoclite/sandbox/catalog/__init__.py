"""Series and their records, and how values are printed."""
