"""Compares what two targets have built."""
