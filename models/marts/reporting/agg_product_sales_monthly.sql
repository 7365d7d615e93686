-- Grain: one row per month_start_date, source_system, product_key and currency with a line of merchandise.
-- order_count must not be summed: an order contains several products. Amounts may be summed only within one currency.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'month_start_date', 'period': 'month'},
) }}
with

daily_sales as (

    select *
    from {{ ref('agg_product_sales_daily') }}
    where {{ only_touched_dates('order_date', 'month') }}

),

order_days as (

    -- distinct: an order may have a product in two countries
    select distinct
        order_key,
        source_system,
        product_key,
        currency,
        line_date
    from {{ ref('fct_order_days') }}
    where is_sold and {{ only_touched_dates('line_date', 'month') }}

),

days as (

    select * from {{ ref('dim_date') }}

),

months as (

    select
        days.month_start_date,
        daily_sales.source_system,
        daily_sales.product_key,
        daily_sales.currency,
        sum(daily_sales.order_count) as order_day_count,
        sum(daily_sales.sold_quantity) as sold_quantity,
        sum(daily_sales.net_quantity) as net_quantity,
        sum(daily_sales.sold_amount) as sold_amount,
        sum(daily_sales.net_sales_amount) as net_sales_amount,
        sum(daily_sales.net_sales_amount_reporting) as net_sales_amount_reporting
    from daily_sales
    -- always matches: a line dated outside the calendar is quarantined, and the relationship is tested
    inner join days
        on daily_sales.order_date = days.date_day
    group by days.month_start_date, daily_sales.source_system, daily_sales.product_key, daily_sales.currency

),

-- the days of an order after its first one in the month
repeated_orders as (

    select
        days.month_start_date,
        order_days.source_system,
        order_days.product_key,
        order_days.currency,
        count(*) - count(distinct order_days.order_key) as repeat_count
    from order_days
    inner join days
        on order_days.line_date = days.date_day
    group by days.month_start_date, order_days.source_system, order_days.product_key, order_days.currency

),

final as (

    select
        months.month_start_date,
        months.source_system,
        months.product_key,
        months.currency,
        cast(months.order_day_count - coalesce(repeated_orders.repeat_count, 0) as bigint) as order_count,
        cast(months.sold_quantity as {{ var('sum_type') }}) as sold_quantity,
        cast(months.net_quantity as {{ var('sum_type') }}) as net_quantity,
        cast(months.sold_amount as {{ var('sum_type') }}) as sold_amount,
        cast(months.net_sales_amount as {{ var('sum_type') }}) as net_sales_amount,
        cast(months.net_sales_amount_reporting as {{ var('sum_type') }}) as net_sales_amount_reporting
    from months
    -- no match where each order has one day
    left join repeated_orders
        on
            months.month_start_date = repeated_orders.month_start_date
            and months.source_system = repeated_orders.source_system
            and months.product_key = repeated_orders.product_key
            and months.currency = repeated_orders.currency

)

select * from final
