-- Grain: one row per feed, file and decision with an event.
-- Amounts of different currencies are added up: for comparisons, not for reports.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_file',
) }}
with

records as (

    select * from {{ ref('int_events__records_decided') }}

),

final as (

    select
        feed,
        decision,
        count(*) as record_count,
        cast(sum(row_count) as bigint) as row_count,
        cast(sum(quantity) as {{ var('sum_type') }}) as quantity,
        cast(sum(net_amount) as {{ var('sum_type') }}) as net_amount,
        _file_id
    from records
    where {{ only_new_files() }}
    group by feed, decision, _file_id

)

select * from final
