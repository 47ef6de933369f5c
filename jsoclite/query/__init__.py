"""Records and their keywords as DataFrames."""
