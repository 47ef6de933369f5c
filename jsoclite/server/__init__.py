"""The wire: HTTP with retry, and the programs of JSOC."""
