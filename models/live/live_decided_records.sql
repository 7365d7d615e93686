-- Grain: one row per record of a feed of events: those of files that changed since the latest publication, and those of
-- other files about which an event in such a file may decide.
-- Its columns are those of int_events__records_decided, and two more; live.fill() writes its rows.
-- depends_on: {{ ref('int_events__records_decided') }}
{{ config(
    alias='decided_records',
    materialized='kept_table',
    pre_hook='{{ make_live_state() }}',
    post_hook=['{{ start_live_again() }}', '{{ make_decide_events() }}'],
    indexes=[
        {'columns': ['_file_id', '_row_number'], 'unique': True},
        {'columns': ['feed', 'event_key']},
        {'columns': ['feed', 'state_key']},
    ],
) }}
select
    *,
    -- the other files with an event of the same key since the publication
    cast(null as bigint[]) as touched_by,
    -- whether live.lines has what counts of it, in place of the publication
    true as is_overridden
from ({{ sql_of('int_events__records_decided', is_undecided=true) }}) as records
