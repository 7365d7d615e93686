-- Grain: one row per store_id and period.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_lookup_key',
    indexes=[{'columns': ['store_id', 'valid_from_date'], 'unique': true}, {'columns': ['_file_id']}],
) }}
{{ lookup_periods('stg_city_stores__stores') }}
