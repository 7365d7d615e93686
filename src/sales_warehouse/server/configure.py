"""The configuration of the embedded server, for bulk loads and builds on a small machine."""

from pathlib import Path

from sales_warehouse.server.account import Account
from sales_warehouse.server.record import HOST, write_private

CONFIGURATION_FILE = "warehouse.conf"

# fsync and full_page_writes keep their default, on: a committed file must survive a crash.
# docker-compose.yml has the same list; a test compares them.
TUNING = {
    "shared_buffers": "256MB",
    # with the default of 8 MB two loaders wait for each other to write the log
    "wal_buffers": "64MB",
    # the log is flushed early, so commits and page writes wait less: 5 % faster than the default of 200 ms, for one
    # COPY and for two loaders
    "wal_writer_delay": "10ms",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    # few checkpoints: after each, the first change of a page writes the whole page to the log
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # a table built in one transaction is synced at commit instead of being written twice; as safe in a crash, but
    # without replication and base backup (pg_dump works)
    "wal_level": "minimal",
    "max_wal_senders": "0",
    # the models are many short queries, for which compiling costs more than it saves
    "jit": "off",
    "max_connections": "50",
    # ends statements of an interrupted build, whose role may not terminate sessions of its login
    "client_connection_check_interval": "5s",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def write_configuration(data_directory: Path, port: int, account: Account) -> None:
    """Write our settings into a data directory, at every start, because port and tuning may have changed."""
    ours = {
        **TUNING,
        "listen_addresses": HOST,
        "port": str(port),
        # no socket: its path must be short, and that of a home may be long
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "scram_iterations": "4096",
        "log_line_prefix": "%m [%p] %a ",
        "log_checkpoints": "off",
    }
    lines = [
        "# Written by `warehouse up` at every start. For settings of your own use ALTER SYSTEM, which overrides these.",
        *(f"{name} = '{value}'" for name, value in ours.items()),
    ]
    write_private(data_directory / CONFIGURATION_FILE, "\n".join(lines) + "\n", account)
