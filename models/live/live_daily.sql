-- Grain: one row per order_date, source_system, country and currency of a day in live.days.
-- The SQL of agg_sales_daily. live.fill() adds up its columns, but for order_count and customer_count.
-- depends_on: {{ ref('live_order_lines') }}
{{ config(
    alias='daily',
    materialized='kept_table',
    post_hook=['{{ start_live_again() }}', '{{ make_fill() }}'],
    indexes=[{'columns': ['order_date', 'source_system', 'country', 'currency'], 'unique': True}],
) }}
select
    days.*,
    cast(0 as bigint) as customer_count
from (
    {{ sql_of('agg_sales_daily', {'fct_sales_lines': 'live.order_lines'}) }}
) as days
