"""The benchmarks of `make bench…`, not part of the product; every comparison is a ratio of neighbours in one run."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
