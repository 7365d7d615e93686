"""What a summary shows of dbt's messages."""

import pytest

from sales_warehouse.transform.problems import Problem

OF_MODEL = """\
Database Error in model fct_lines (models/marts/core/fct_lines.sql)
  duplicate key value violates unique constraint "fct_lines_pkey"
  DETAIL:  Key (order_key)=(A) already exists.
  CONTEXT:  SQL statement "insert"
  compiled code at target/run/fct_lines.sql"""
OF_UNIT_TEST = """\
An error occurred during execution of unit test 'days_are_summed'. There may be an error in the unit test definition:
 Database Error
  division by zero"""
OF_UNION = """\
Database Error in model int_sales__lines_unioned (models/intermediate/sales/int_sales__lines_unioned.sql)
  UNION types text and bigint cannot be matched
  LINE 57:     select * from store_orders
                      ^
  compiled code at target/run/int_sales__lines_unioned.sql"""
OF_PROJECT = """\
Compilation Error in model product_abc (models/marts/reporting/product_abc.sql)
  The columns of marts.product_abc change, and this would drop:
    alice.abc of alice: is a materialized view
  marts.product_abc is unchanged.

  > in macro refuse_to_drop (macros/replace/swap_relation.sql)
  > called by model product_abc (models/marts/reporting/product_abc.sql)"""


@pytest.mark.parametrize(
    ("status", "message", "cause"),
    [
        ("error", OF_MODEL, 'duplicate key value violates unique constraint "fct_lines_pkey" '
         "DETAIL:  Key (order_key)=(A) already exists."),
        ("error", OF_UNIT_TEST, "division by zero"),
        ("error", OF_UNION, "UNION types text and bigint cannot be matched (at: select * from store_orders)"),
        ("error", OF_PROJECT, "The columns of marts.product_abc change, and this would drop:\n"
         "alice.abc of alice: is a materialized view\nmarts.product_abc is unchanged."),
        ("error", "Database Error", "Database Error"),
        ("error", "", ""),
        ("fail", "Got 2 results\n  compiled code at target/a.sql", "Got 2 results"),
    ],
)  # fmt: skip
def test_the_cause_is_what_the_server_or_the_project_says(status: str, message: str, cause: str) -> None:
    assert Problem("a", "model", status, message, "a.sql").cause == cause
