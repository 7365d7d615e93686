"""Files with which BI tools open the published marts, written from dbt's models."""
