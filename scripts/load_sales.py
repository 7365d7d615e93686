"""Load the sales files of the inbox: the same as `warehouse load`, with the same options."""

import sys

from sales_warehouse.cli import run

if __name__ == "__main__":
    run(["load", *sys.argv[1:]])
