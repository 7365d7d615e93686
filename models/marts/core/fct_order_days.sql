-- Grain: one row per order with lines on several days, and line_date, country and product_key of its lines.
-- There is nothing to sum. Daily figures count an order on each of its days; monthly figures find the others here.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_key',
    meta={
        'key_column': 'order_key', 'date_column': 'order_date', 'last_date_column': 'last_order_date', 'public': false,
    },
    indexes=[{'columns': ['order_key']}, {'columns': ['line_date']}, {'columns': ['last_order_date']}],
) }}
with

orders as (

    select
        order_key,
        order_date,
        last_order_date
    from {{ ref('fct_orders') }}
    where order_date < last_order_date and {{ only_touched_spans('order_date', 'last_order_date') }}

),

lines as (

    select
        {{ order_key() }} as order_key,
        source_system,
        currency,
        -- as in agg_sales_daily
        coalesce(country, 'unknown') as country,
        product_key,
        is_merchandise and line_type = 'sale' as is_sold,
        order_date as line_date
    from {{ ref('fct_sales_lines') }}
    where {{ only_days_of_touched_spans(
        'order_date', ref('fct_orders'), ['order_date', 'last_order_date'], 'order_date < last_order_date'
    ) }}

),

final as (

    select
        orders.order_key,
        lines.source_system,
        lines.currency,
        lines.country,
        lines.product_key,
        max(case when lines.is_sold then 1 else 0 end) = 1 as is_sold,
        lines.line_date,
        orders.order_date,
        orders.last_order_date
    from lines
    inner join orders
        on lines.order_key = orders.order_key
    group by
        orders.order_key, lines.source_system, lines.currency, lines.country, lines.product_key, lines.line_date,
        orders.order_date, orders.last_order_date

)

select * from final
