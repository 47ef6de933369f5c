"""Rows, the records that they stand for, and the fewest record sets that name these."""
