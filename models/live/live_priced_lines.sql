-- Grain: one row per accepted sales line of the rows in raw tables, whatever became of their file.
-- The SQL of fct_sales_lines without its filter on files.
-- depends_on: {{ ref('int_sales__lines_unioned') }}
-- depends_on: {{ ref('fct_exchange_rates') }}
{{ config(alias='priced_lines') }}
{{ sql_of('fct_sales_lines') }}
