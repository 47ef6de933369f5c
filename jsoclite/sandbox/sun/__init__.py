"""The Sun, and the images that instruments take of it."""
