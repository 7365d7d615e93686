"""The road of a segment: messages of topics into raw tables, exactly once."""
