"""Runs dbt."""
