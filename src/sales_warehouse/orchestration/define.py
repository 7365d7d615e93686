"""The Dagster definitions of a warehouse."""

import json

import dagster as dg
from dagster_dbt import DbtCliResource

from sales_warehouse.feeds.read_feeds import read_feeds
from sales_warehouse.orchestration.define_models import Translator, define_models, define_unit_tests
from sales_warehouse.orchestration.define_publication import define_publication
from sales_warehouse.orchestration.define_raw_tables import define_raw_tables
from sales_warehouse.orchestration.notify import define_failure_hook, define_files_hook
from sales_warehouse.orchestration.read_manifest import DBT, read_project
from sales_warehouse.orchestration.watch_inbox import define_schedule, define_sensor
from sales_warehouse.settings import Settings

ON_DELIVERY = "on_delivery"
DAILY = "daily_run"


def define(settings: Settings) -> dg.Definitions:
    """Return all Dagster definitions for the warehouse of these settings.

    Errors as of `read_feeds`, and of dbt when the project cannot be parsed.
    """
    feeds = read_feeds(settings.project)
    project = read_project(settings)
    manifest = json.loads(project.manifest_path.read_text(encoding="utf-8"))
    translator = Translator()
    models = define_models(settings, project, manifest, translator)
    marts = [key for key in models.keys if models.group_names_by_key[key] == "marts"]
    unit_tests = define_unit_tests(settings, project, manifest, translator)
    # A delivery does not change the models, so it needs no unit tests.
    on_delivery = dg.define_asset_job(ON_DELIVERY, dg.AssetSelection.all() - dg.AssetSelection.checks(unit_tests))
    daily = dg.define_asset_job(DAILY, dg.AssetSelection.all())
    return dg.Definitions(
        assets=[
            *define_raw_tables(settings, feeds, project, manifest, translator),
            models,
            define_publication(settings, marts),
        ],
        asset_checks=[unit_tests],
        jobs=[on_delivery, daily],
        sensors=[
            define_sensor(settings, feeds, on_delivery),
            define_failure_hook(settings),
            define_files_hook(settings),
        ],
        schedules=[define_schedule(daily)],
        resources={"dbt": DbtCliResource(project_dir=project, dbt_executable=str(DBT))},
        # One process for all steps: a process for each step would start Dagster and dbt again.
        executor=dg.in_process_executor,
    )
