"""What an export makes: files, lists, archives."""
