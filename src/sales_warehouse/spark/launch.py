"""The commands and variables with which Spark's processes start; no command holds a secret."""

from dataclasses import dataclass
from pathlib import Path

from sales_warehouse.server.record import HOST
from sales_warehouse.spark.configure import DAEMONS, THRIFT, conf_directory, temporary_directory
from sales_warehouse.spark.record import MASTER, THRIFT_SERVER, SparkRecord, spark_daemons, spark_directory

_MASTER_CLASS = "org.apache.spark.deploy.master.Master"
_WORKER_CLASS = "org.apache.spark.deploy.worker.Worker"
_SUBMIT_CLASS = "org.apache.spark.deploy.SparkSubmit"
_THRIFT_CLASS = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"


@dataclass(frozen=True)
class Launcher:
    """Starts processes of a home's Spark; `spark` is its folder in pyspark, `java` the home of a Java."""

    home: Path
    spark: Path
    java: Path

    def start(self, name: str, record: SparkRecord) -> None:
        """Start a process."""
        variables = {
            "SPARK_HOME": str(self.spark),
            "JAVA_HOME": str(self.java),
            "SPARK_CONF_DIR": str(conf_directory(self.home)),
            "SPARK_LOCAL_DIRS": str(temporary_directory(self.home)),
            # where pages and everything else without a setting of its own listen
            "SPARK_LOCAL_IP": HOST,
            # names of files may hold any letter
            "LC_ALL": "C.UTF-8",
        }
        if name != THRIFT_SERVER:  # there it would come before spark.driver.memory
            variables["SPARK_DAEMON_MEMORY"] = "256m"
            # they compute nothing: half of the CPU of their start went into compiling code well
            variables["SPARK_DAEMON_JAVA_OPTS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
        # by bash: an installation may lose the right to execute
        command = ["bash", str(self.spark / "bin" / "spark-class"), *self._arguments(name, record)]
        spark_daemons(self.home)[name].start(command, variables)

    def _arguments(self, name: str, record: SparkRecord) -> list[str]:
        conf = conf_directory(self.home)
        if name == THRIFT_SERVER:
            return [_SUBMIT_CLASS, "--properties-file", str(conf / THRIFT), "--class", _THRIFT_CLASS]
        options = ["--host", HOST, "--webui-port", str(record.page(name)), "--properties-file", str(conf / DAEMONS)]
        if name == MASTER:
            return [_MASTER_CLASS, *options, "--port", str(record.master_port)]
        work = str(spark_directory(self.home) / "work" / name)
        return [
            *(_WORKER_CLASS, *options, "--cores", "1", "--memory", "2g", "--work-dir", work),
            f"spark://{HOST}:{record.master_port}",
        ]
