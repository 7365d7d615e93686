"""Erase a person: replace what is personal by a token, in every table that has it, and say what is left to do."""
