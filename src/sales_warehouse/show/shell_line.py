"""Print the line that sets up a shell for plain dbt."""

from sales_warehouse.settings import Settings
from sales_warehouse.show.console import out
from sales_warehouse.transform.targets import write_shell_line


def print_shell_line(settings: Settings) -> None:
    """Print what a person pastes into a shell to build edited models there with dbt."""
    out.print("To build what you edit with plain dbt, in your own schemas, and read the rest from prod:")
    out.print(write_shell_line(settings), soft_wrap=True, markup=False, highlight=False)
