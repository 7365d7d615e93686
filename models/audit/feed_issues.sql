-- Grain: one row per file, issue_code and outcome of a record.
-- A row with two codes counts under both: row_count must not be summed over codes.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_file',
) }}
with

outcomes as (

    select
        feed,
        _file_id,
        row_status,
        row_issues,
        row_count
    from {{ ref('row_outcomes') }}
    where {{ only_new_files() }}

),

rules as (

    select
        feed,
        issue_code
    from {{ ref('quality_rules') }}

),

active_files as (

    select
        feed,
        file_id
    from {{ source('ledger', 'files') }}
    where status = 'active' and {{ only_new_files('file_id') }}

),

open_rejects as (

    select
        file_id,
        reason
    from {{ source('ledger', 'rejects') }}
    where replayed_as is null

),

-- The semicolons are part of the search, so that a code is not found within a longer one.
row_issue_counts as (

    select
        outcomes.feed,
        rules.issue_code,
        outcomes.row_status as outcome,
        sum(outcomes.row_count) as row_count,
        outcomes._file_id
    from outcomes
    inner join rules
        on
            outcomes.feed = rules.feed
            and position(';' || rules.issue_code || ';' in ';' || outcomes.row_issues || ';') > 0
    group by outcomes.feed, rules.issue_code, outcomes.row_status, outcomes._file_id

),

reject_counts as (

    select
        active_files.feed,
        open_rejects.reason as issue_code,
        'rejected' as outcome,
        count(*) as row_count,
        active_files.file_id as _file_id
    from open_rejects
    inner join active_files
        on open_rejects.file_id = active_files.file_id
    group by active_files.feed, open_rejects.reason, active_files.file_id

),

all_counts as (

    select * from row_issue_counts
    union all
    select * from reject_counts

),

final as (

    select
        feed,
        issue_code,
        outcome,
        cast(row_count as bigint) as row_count,
        _file_id
    from all_counts

)

select * from final
