"""One build at a time: whoever builds holds an advisory lock, so that two never write the same relations."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from sales_warehouse import server
from sales_warehouse.settings import Settings

# Beside the loader's; held as long as the connection lives, so a killed build leaves no lock behind.
_BUILDER_LOCK = 0x5A1E_0011


@contextmanager
def as_the_builder(settings: Settings, say: Callable[[str], object]) -> Iterator[None]:
    """Be the one build within the block; wait while another one is at work, and `say` so.

    A plain `dbt build` knows nothing of it. Errors as of `server.connect`, and `psycopg2.Error`.
    """
    with closing(server.connect(settings, application_name="warehouse build", role="transformer")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select pg_try_advisory_lock(%s)", (_BUILDER_LOCK,))
            if cursor.fetchone() != (True,):
                say("Another build is at work. Waiting for it to end.")
                cursor.execute("select pg_advisory_lock(%s)", (_BUILDER_LOCK,))
            yield
