"""Draft a feed from sample files: look at them, show the evidence, write declaration and models, and try them."""
