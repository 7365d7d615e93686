"""Object stores as inboxes: list objects in pages, and read one by ranges."""
