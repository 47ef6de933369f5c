"""FITS files and their headers: written, read, shown."""
