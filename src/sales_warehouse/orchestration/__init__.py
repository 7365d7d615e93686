"""Dagster calls the loader, dbt and the publication. The loader does not depend on Dagster."""
