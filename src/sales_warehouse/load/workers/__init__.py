"""Workers: load several files at the same time."""
