"""Words, tables and bars for people; JSON and CSV for machines."""
