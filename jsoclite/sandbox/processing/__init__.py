"""The processing steps of exports."""
