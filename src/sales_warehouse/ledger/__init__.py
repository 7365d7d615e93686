"""The books: which files were seen, what became of each, and what could not be loaded."""
