-- Grain: one row per active file of a declared feed.
-- Shares must be neither summed nor averaged: divide the sums of the counts instead.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_file',
) }}
with

files as (

    select
        feed,
        file_id as _file_id,
        name as file_name,
        delivery_key,
        version,
        records_read,
        rows_loaded,
        rows_rejected,
        rows_skipped,
        -- a record that gave no row counts once, any other one as often as it has items
        records_read - records_loaded + rows_loaded as outcome_count,
        period_start_date,
        period_end_date,
        {{ local_date('started_at', "'UTC'") }} as delivered_date
    from {{ source('ledger', 'files') }}
    where status = 'active' and {{ only_new_files('file_id') }}

),

latest_days as (

    select
        feed,
        {{ try_integer('rule_limit') }} as days_allowed
    from {{ ref('quality_rules') }}
    where issue_code = 'file:late'

),

rows_by_status as (

    select
        feed,
        _file_id,
        sum(case when row_status = 'accepted' then row_count else 0 end) as accepted_count,
        sum(case when row_status = 'accepted' and row_issues <> '' then row_count else 0 end) as flagged_count,
        sum(case when row_status = 'skipped' then row_count else 0 end) as skipped_count,
        sum(case when row_status = 'quarantined' then row_count else 0 end) as quarantined_count,
        sum(case when row_status in ('repeated', 'superseded') then row_count else 0 end) as counted_elsewhere_count,
        sum(case when row_status = 'waiting' then row_count else 0 end) as waiting_count
    from {{ ref('row_outcomes') }}
    where {{ only_new_files() }}
    group by feed, _file_id

),

-- Every active file of a declared feed has a row in row_outcomes, so the inner join loses none of them; some feeds
-- have no period or no limit.
placed as (

    select
        files.*,
        rows_by_status.accepted_count,
        rows_by_status.flagged_count,
        rows_by_status.skipped_count,
        rows_by_status.quarantined_count,
        rows_by_status.counted_elsewhere_count,
        rows_by_status.waiting_count,
        {{ days_between('files.period_end_date', 'files.delivered_date') }} as days_after_period,
        latest_days.days_allowed
    from files
    inner join rows_by_status
        on files._file_id = rows_by_status._file_id and files.feed = rows_by_status.feed
    left join latest_days
        on files.feed = latest_days.feed

),

final as (

    select
        feed,
        file_name,
        delivery_key,
        version,
        records_read,
        outcome_count,
        rows_loaded as loaded_count,
        rows_rejected as rejected_count,
        rows_skipped as skipped_by_loader_count,
        cast(skipped_count as bigint) as skipped_by_models_count,
        cast(quarantined_count as bigint) as quarantined_count,
        cast(counted_elsewhere_count as bigint) as counted_elsewhere_count,
        cast(waiting_count as bigint) as waiting_count,
        cast(accepted_count as bigint) as accepted_count,
        cast(flagged_count as bigint) as flagged_count,
        {{ div('rows_rejected', 'records_read', 9, 4) }} as rejected_share,
        {{ div('quarantined_count', 'outcome_count', 9, 4) }} as quarantined_share,
        {{ div('accepted_count', 'outcome_count', 9, 4) }} as accepted_share,
        {{ div('flagged_count', 'accepted_count', 9, 4) }} as flagged_share,
        -- NULL where the delivery key has no period or the feed has no limit: unknown is not on time
        days_after_period > days_allowed as is_late,
        days_after_period,
        period_start_date,
        period_end_date,
        delivered_date,
        _file_id
    from placed

)

select * from final
