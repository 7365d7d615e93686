"""The inbox: find the files of each feed, and open and unpack them."""
