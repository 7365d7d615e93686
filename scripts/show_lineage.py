"""Write the page of column lineage: dbt-colibri's own command, told the new name of what it asks sqlglot for.

colibri 0.3.7 reads `union_scopes`, which sqlglot 30.30 calls `set_operation_scopes`; without it every model with a
union would stand in the page without its columns' origin. Arguments are colibri's.
"""

from dbt_colibri.cli.cli import cli
from sqlglot.optimizer.scope import Scope

if not hasattr(Scope, "union_scopes"):
    Scope.union_scopes = property(lambda scope: scope.set_operation_scopes)

if __name__ == "__main__":
    cli()
