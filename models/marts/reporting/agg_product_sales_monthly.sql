-- Grain: one row per month_start_date, source_system, product_key and currency with a line of merchandise.
-- order_count must not be summed: an order contains several products. Amounts may be summed only within one currency.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'month_start_date', 'period': 'month'},
) }}
with

lines as (

    select * from {{ ref('fct_sales_lines') }}

),

days as (

    select * from {{ ref('dim_date') }}

),

final as (

    select
        days.month_start_date,
        lines.source_system,
        lines.product_key,
        lines.currency,
        count(distinct case when lines.line_type = 'sale' then lines.order_id end) as order_count,
        cast(sum(case when lines.line_type = 'sale' then lines.quantity else 0 end) as numeric(28, 4)) as sold_quantity,
        cast(sum(lines.quantity) as numeric(28, 4)) as net_quantity,
        cast(sum(case when lines.line_type = 'sale' then lines.net_amount else 0 end) as numeric(28, 4)) as sold_amount,
        cast(sum(lines.net_amount) as numeric(28, 4)) as net_sales_amount,
        cast(sum(lines.net_amount_reporting) as numeric(28, 4)) as net_sales_amount_reporting
    from lines
    -- always matches: a line dated outside the calendar is quarantined, and the relationship is tested
    inner join days
        on lines.order_date = days.date_day
    where {{ only_touched_dates('lines.order_date', 'month') }} and lines.is_merchandise
    group by days.month_start_date, lines.source_system, lines.product_key, lines.currency

)

select * from final
