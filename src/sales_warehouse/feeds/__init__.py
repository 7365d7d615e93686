"""Feeds: what kinds of files there are, as declared beside the dbt sources."""
