# The warehouse as an image: loader, dbt project, Dagster. Nothing is compiled here: every package comes as a wheel,
# by hash. The server is another image (docker-compose.yml).
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
RUN ["python", "-m", "venv", "/opt/venv"]
# before the sources, so that an edit of them does not install everything again
COPY requirements-runtime.lock ./
RUN ["/opt/venv/bin/python", "-m", "pip", "install", "--no-deps", "--require-hashes", "-r", "requirements-runtime.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN ["/opt/venv/bin/python", "-m", "pip", "install", "--no-deps", "--no-build-isolation", "."]

FROM python:${PYTHON} AS warehouse
# a number, so that an orchestrator can see that it is not root
RUN ["useradd", "--uid", "10001", "--create-home", "--home-dir", "/home/warehouse", "warehouse"]
COPY --from=build /opt/venv /opt/venv
WORKDIR /warehouse
COPY dbt_project.yml selectors.yml ./
# follows the PG* variables; as it is a person's own, nothing writes another
COPY profiles.yml.example profiles.yml
COPY macros macros
COPY models models
COPY page page
COPY seeds seeds
COPY tests/dbt tests/dbt
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    WAREHOUSE_PROJECT=/warehouse \
    WAREHOUSE_HOME=/home/warehouse/state \
    WAREHOUSE_INBOX=/inbox \
    DAGSTER_HOME=/home/warehouse/state/dagster \
    DBT_TARGET_PATH=/home/warehouse/state/dbt/target \
    DBT_LOG_PATH=/home/warehouse/state/dbt/logs \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false
# owned by the user before a volume is laid over them: a named volume takes over owner and mode
RUN ["install", "--directory", "--owner=warehouse", "--mode=0750", "/home/warehouse/state/dagster", "/inbox"]
# telemetry off, one run at a time
COPY --chown=warehouse src/sales_warehouse/orchestration/dagster.yaml /home/warehouse/state/dagster/
USER 10001
ENTRYPOINT ["warehouse"]
CMD ["build"]
