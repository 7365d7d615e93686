-- Grain: one row per file, row_status and row_issues; a file without rows has one row that counts 0 accepted rows.
-- quantity and net_amount of quarantined rows cover only the values that could be read: a hint, not a total.
-- The feeds are found by name, below the models that ref() must see first:
-- depends_on: {{ ref('int_sales__lines_unioned') }}
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_file',
) }}
with

staged_rows as (
    {{ staged_rows(['row_status', 'row_issues', 'quantity', 'net_amount', '_file_id']) }}
),

active_files as (

    select
        feed,
        file_id,
        name as file_name
    from {{ source('ledger', 'files') }}
    -- the project has no rules for the rows of a feed that left it
    where status = 'active' and feed in {{ declared_feeds() }} and {{ only_new_files('file_id') }}

),

outcomes as (

    select
        feed,
        _file_id,
        row_status,
        row_issues,
        count(*) as row_count,
        cast(sum(quantity) as {{ var('sum_type') }}) as quantity,
        cast(sum(net_amount) as {{ var('sum_type') }}) as net_amount
    from staged_rows
    group by feed, _file_id, row_status, row_issues

),

final as (

    select
        coalesce(active_files.feed, outcomes.feed) as feed,
        -- NULL for rows of an inactive file; the loader leaves no such rows
        active_files.file_name,
        coalesce(outcomes.row_status, 'accepted') as row_status,
        coalesce(outcomes.row_issues, '') as row_issues,
        coalesce(outcomes.row_count, 0) as row_count,
        outcomes.quantity,
        outcomes.net_amount,
        coalesce(active_files.file_id, outcomes._file_id) as _file_id
    from active_files
    full outer join outcomes
        on active_files.file_id = outcomes._file_id and active_files.feed = outcomes.feed

)

select * from final
