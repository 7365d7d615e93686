-- Grain: one row per quarantined row of any feed.
-- The feeds are found by name, below the models that ref() must see first:
-- depends_on: {{ ref('int_sales__lines_unioned') }}
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_file',
) }}
with

staged_rows as (
    {{ staged_rows(['sales_line_id', 'row_status', 'row_issues', 'delivered_values', '_file_id', '_row_number']) }}
),

files as (

    select
        feed,
        file_id,
        name as file_name
    from {{ source('ledger', 'files') }}

),

final as (

    select
        staged_rows.sales_line_id,
        staged_rows.feed,
        files.file_name,
        staged_rows.row_issues,
        staged_rows.delivered_values,
        staged_rows._file_id,
        staged_rows._row_number
    from staged_rows
    -- a row whose file is not in the ledger must be shown too
    left join files
        on staged_rows._file_id = files.file_id and staged_rows.feed = files.feed
    where staged_rows.row_status = 'quarantined'

)

select * from final
