-- Grain: one row per record of a feed of events in raw tables, whatever became of its file.
-- The SQL of int_events__records_decided without its filter on files, and undecided: live.fill() decides.
-- depends_on: {{ ref('int_events__records_decided') }}
{{ config(alias='event_records') }}
{{ sql_of('int_events__records_decided', is_undecided=true) }}
