"""Readers: one for each format, from the content of a file to COPY data, rejects and skipped lines."""
