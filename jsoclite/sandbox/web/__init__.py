"""The sandbox's HTTP front."""
