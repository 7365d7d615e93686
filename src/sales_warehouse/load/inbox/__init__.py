"""The inbox: find the files of each feed, open and unpack them."""
