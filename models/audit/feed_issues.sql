-- Grain: one row per file, issue_code and fate that a record of the file has.
-- A row with two codes counts under both: row_count must not be summed over codes.
{{ config(
    materialized='incremental',
    incremental_strategy='by_file',
) }}
with

fates as (

    select
        feed,
        _file_id,
        row_status,
        row_issues,
        row_count
    from {{ ref('row_fates') }}
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

-- A code is looked for with its semicolons, so that none is found within a longer one.
row_issue_counts as (

    select
        fates.feed,
        rules.issue_code,
        fates.row_status as fate,
        sum(fates.row_count) as row_count,
        fates._file_id
    from fates
    inner join rules
        on
            fates.feed = rules.feed
            and position(';' || rules.issue_code || ';' in ';' || fates.row_issues || ';') > 0
    group by fates.feed, rules.issue_code, fates.row_status, fates._file_id

),

reject_counts as (

    select
        active_files.feed,
        open_rejects.reason as issue_code,
        'rejected' as fate,
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
        fate,
        cast(row_count as bigint) as row_count,
        _file_id
    from all_counts

)

select * from final
