"""Lineage of records: from rows of marts back to file and line, and from a record to the marts."""
