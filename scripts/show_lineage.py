"""Write the page of column lineage by dbt-colibri, with its own arguments.

colibri 0.3.7 reads `union_scopes`, which sqlglot 30.30 calls `set_operation_scopes`; without that name the page would
show no column origins for models with a union.
"""

from dbt_colibri.cli.cli import cli
from sqlglot.optimizer.scope import Scope

if not hasattr(Scope, "union_scopes"):
    Scope.union_scopes = property(lambda scope: scope.set_operation_scopes)

if __name__ == "__main__":
    cli()
