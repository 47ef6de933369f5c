"""Export requests at the server."""
