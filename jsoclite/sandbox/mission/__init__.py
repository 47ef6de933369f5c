"""The series of the mission, computed from the slot number."""
