"""Compare what the warehouse holds with what was delivered, by a second reading of the files."""
