"""The configuration files of Spark's processes, below ``spark/conf/`` in a home; only their owner can read them."""

from collections.abc import Sequence
from pathlib import Path

from sales_warehouse.server.record import HOST, fill_template, read_private, write_private
from sales_warehouse.spark.catalogue import CATALOGUE, Catalogue
from sales_warehouse.spark.record import THRIFT_SERVER, SparkRecord, spark_directory, tables_directory

PACKAGE = "sales_warehouse.spark"
DAEMONS, THRIFT = "daemons.properties", "thrift-server.properties"
APP = "warehouse"
_LOG = "log4j2.properties"


def conf_directory(home: Path) -> Path:
    """Return the folder of a home with Spark's configuration."""
    return spark_directory(home) / "conf"


def temporary_directory(home: Path) -> Path:
    """Return the folder of a home for what Spark writes while it works."""
    return spark_directory(home) / "tmp"


def render(home: Path, record: SparkRecord, catalogue: Catalogue, jars: Sequence[Path]) -> dict[str, str]:
    """Return the text of each file by its name."""
    values = {
        "app": APP,
        "host": HOST,
        "master_port": record.master_port,
        "thrift_port": record.thrift_port,
        "page": record.page(THRIFT_SERVER),
        "secret": record.secret,
        "jars": escape(":".join(map(str, jars))),
        "temporary": escape(str(temporary_directory(home))),
        "hive": escape(str(spark_directory(home) / "hive")),
        "tables": escape(str(tables_directory(home))),
        "catalogue": CATALOGUE,
        "uri": escape(catalogue.uri),
    }
    text = fill_template(PACKAGE, THRIFT, **values)
    for name, value in catalogue.driver.items():
        text += f"spark.sql.catalog.{CATALOGUE}.jdbc.{name} {escape(value)}\n"
    return {
        DAEMONS: fill_template(PACKAGE, DAEMONS, secret=record.secret),
        THRIFT: text,
        _LOG: fill_template(PACKAGE, _LOG),
    }


def is_written(home: Path, texts: dict[str, str]) -> bool:
    """Say whether the files are as they must be."""
    return all(read_private(conf_directory(home) / name) == text for name, text in texts.items())


def write(home: Path, texts: dict[str, str]) -> None:
    """Write the files, each in one step."""
    conf_directory(home).mkdir(mode=0o700, exist_ok=True)
    for name, text in texts.items():
        write_private(conf_directory(home) / name, text)


def escape(value: str) -> str:
    """Return a value as it is written in a file of Java properties."""
    escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    # blanks in front would be left out
    return f"\\{escaped}" if escaped.startswith((" ", "\t")) else escaped
