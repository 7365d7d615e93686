"""What came since the latest publication, for the schema `live`."""
