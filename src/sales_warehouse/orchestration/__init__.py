"""Dagster runs the loader, dbt and the publication by itself; all it does is call them. The loader does not know it."""
