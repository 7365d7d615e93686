-- Grain: one row per record of a feed of events that has an accepted row, or is a state without a sale.
-- A table, unlike other intermediate models: whether an event counts depends on events of any other file.
-- To add a feed, declare meta.events or meta.deliveries in the YAML of its staging model and add it to `records`.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_event_key',
    indexes=[
        {'columns': ['_file_id', '_row_number']},
        {'columns': ['feed', 'event_key']},
        {'columns': ['feed', 'state_key']},
    ],
) }}
with

records as (

    {{ records_of_events(['stg_web_shop__order_events_typed']) }}

),

decided as (

    {{ decide_events('records') }}

),

final as (

    select
        feed,
        event_key,
        state_key,
        state_rank,
        event_at,
        event_place,
        event_partition,
        event_offset,
        repeats_until_at,
        decision,
        row_count,
        quantity,
        net_amount,
        _file_id,
        _row_number
    from decided

)

select * from final
