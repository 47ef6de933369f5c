"""What the server's time words mean."""
