-- Grain: one row per accepted sales line of the rows in raw tables, whatever became of their file.
-- The SQL of fct_sales_lines without its filter on files, with the decisions of live.fill() about events.
-- depends_on: {{ ref('fct_sales_lines') }}
-- depends_on: {{ ref('live_decided_records') }}
{{ config(alias='priced_lines') }}
{{ sql_over_decisions('fct_sales_lines', 'live.decided_records') }}
