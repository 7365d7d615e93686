"""Sales files in, tested marts out: the loader and the books behind the dbt project."""

__version__ = "0.1.0"
