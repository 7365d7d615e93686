"""Sales files in, tested marts out: the loader and the ledger behind the dbt project."""

__version__ = "0.1.0"
