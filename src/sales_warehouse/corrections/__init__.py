"""Correct the ledger: unload and restore files, export and replay rejects."""
