"""Where a figure comes from: from rows of marts back to file and line, and from a record on to the marts."""
