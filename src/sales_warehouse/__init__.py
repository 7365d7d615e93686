"""Sales files in, tested marts out: the loader and the ledger behind the dbt project."""

import logging

# without a handler of the command Python prints the bare name of an event, `file`, to standard error
logging.getLogger(__name__).addHandler(logging.NullHandler())

__version__ = "0.1.0"
