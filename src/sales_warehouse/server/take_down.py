"""`warehouse down`: stop the embedded server."""

from sales_warehouse.errors import ConfigurationError, ServerUnreachable
from sales_warehouse.server.account import server_account
from sales_warehouse.server.locate import belongs_to, programs_for
from sales_warehouse.server.lock import exclusive
from sales_warehouse.server.manage import START_SECONDS, pg_ctl
from sales_warehouse.server.observe import find_postmaster
from sales_warehouse.server.record import log_file, read_record, server_directory
from sales_warehouse.settings import Settings


def down(settings: Settings) -> bool:
    """Stop the embedded server: open transactions are rolled back, everything committed is on disk.

    Returns whether it was running.
    Raises ConfigurationError for an external server, ServerUnreachable when the server does not stop.
    """
    if settings.external is not None:
        raise ConfigurationError(
            f"The server {settings.external.host}:{settings.external.port} was not started by `warehouse`, "
            "so it is not stopped by it. Without PGHOST, `warehouse down` stops the embedded server."
        )
    if read_record(settings.home) is None:
        return False
    with exclusive(server_directory(settings.home) / "lock", wait_seconds=START_SECONDS + 30):
        record = read_record(settings.home)
        if record is None:
            return False
        directory = record.data_directory
        if not belongs_to(settings.home, directory):
            # moved here while its server was running, or copied
            directory = server_directory(settings.home) / "data"
        postmaster = find_postmaster(directory)
        if postmaster is None:
            return False
        if postmaster.data_directory != directory and postmaster.data_directory.exists():
            raise ConfigurationError(
                f"The server with process {postmaster.pid} works in {postmaster.data_directory}, "
                f"not in {directory}, which was copied from there. It is not stopped."
            )
        account = server_account()
        stopped = pg_ctl(account, programs_for(account), "stop", directory)
        if find_postmaster(directory) is not None:
            raise ServerUnreachable(
                f"The server (process {postmaster.pid}) did not stop: {stopped.stdout.strip()} "
                f"See {log_file(settings.home)}."
            )
    return True
