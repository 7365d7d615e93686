"""The ledger: which files were seen, what became of each, and what could not be loaded."""
