-- Grain: one row per month_start_date, source_system, country and currency that has a sales line.
-- order_count must not be summed: an order with lines in two months or countries counts in both.
-- Amounts may be summed only within one currency, except those that end in _reporting.
-- cost_amount leaves out lines without a known cost.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'month_start_date', 'period': 'month'},
) }}
with

daily_sales as (

    select *
    from {{ ref('agg_sales_daily') }}
    where {{ only_touched_dates('order_date', 'month') }}

),

order_days as (

    -- distinct: an order has several products
    select distinct
        order_key,
        source_system,
        country,
        currency,
        line_date
    from {{ ref('fct_order_days') }}
    where {{ only_touched_dates('line_date', 'month') }}

),

days as (

    select * from {{ ref('dim_date') }}

),

months as (

    select
        days.month_start_date,
        daily_sales.source_system,
        daily_sales.country,
        daily_sales.currency,
        sum(daily_sales.line_count) as line_count,
        sum(daily_sales.order_count) as order_day_count,
        sum(daily_sales.quantity) as quantity,
        sum(daily_sales.gross_amount) as gross_amount,
        sum(daily_sales.discount_amount) as discount_amount,
        sum(daily_sales.net_amount) as net_amount,
        sum(daily_sales.sale_amount) as sale_amount,
        sum(daily_sales.return_amount) as return_amount,
        sum(daily_sales.cancellation_amount) as cancellation_amount,
        sum(daily_sales.fee_amount) as fee_amount,
        sum(daily_sales.adjustment_amount) as adjustment_amount,
        sum(daily_sales.tip_amount) as tip_amount,
        sum(daily_sales.deposit_amount) as deposit_amount,
        sum(daily_sales.voucher_sale_amount) as voucher_sale_amount,
        sum(daily_sales.cost_amount) as cost_amount,
        sum(daily_sales.net_sales_amount) as net_sales_amount,
        sum(daily_sales.net_amount_reporting) as net_amount_reporting,
        sum(daily_sales.net_sales_amount_reporting) as net_sales_amount_reporting
    from daily_sales
    -- always matches: a line dated outside the calendar is quarantined, and the relationship is tested
    inner join days
        on daily_sales.order_date = days.date_day
    group by days.month_start_date, daily_sales.source_system, daily_sales.country, daily_sales.currency

),

-- the days of an order after its first one in the month
repeated_orders as (

    select
        days.month_start_date,
        order_days.source_system,
        order_days.country,
        order_days.currency,
        count(*) - count(distinct order_days.order_key) as repeat_count
    from order_days
    inner join days
        on order_days.line_date = days.date_day
    group by days.month_start_date, order_days.source_system, order_days.country, order_days.currency

),

final as (

    select
        months.month_start_date,
        months.source_system,
        months.country,
        months.currency,
        cast(months.line_count as bigint) as line_count,
        cast(months.order_day_count - coalesce(repeated_orders.repeat_count, 0) as bigint) as order_count,
        cast(months.quantity as {{ var('sum_type') }}) as quantity,
        cast(months.gross_amount as {{ var('sum_type') }}) as gross_amount,
        cast(months.discount_amount as {{ var('sum_type') }}) as discount_amount,
        cast(months.net_amount as {{ var('sum_type') }}) as net_amount,
        cast(months.sale_amount as {{ var('sum_type') }}) as sale_amount,
        cast(months.return_amount as {{ var('sum_type') }}) as return_amount,
        cast(months.cancellation_amount as {{ var('sum_type') }}) as cancellation_amount,
        cast(months.fee_amount as {{ var('sum_type') }}) as fee_amount,
        cast(months.adjustment_amount as {{ var('sum_type') }}) as adjustment_amount,
        cast(months.tip_amount as {{ var('sum_type') }}) as tip_amount,
        cast(months.deposit_amount as {{ var('sum_type') }}) as deposit_amount,
        cast(months.voucher_sale_amount as {{ var('sum_type') }}) as voucher_sale_amount,
        cast(months.cost_amount as {{ var('sum_type') }}) as cost_amount,
        cast(months.net_sales_amount as {{ var('sum_type') }}) as net_sales_amount,
        cast(months.net_amount_reporting as {{ var('sum_type') }}) as net_amount_reporting,
        cast(months.net_sales_amount_reporting as {{ var('sum_type') }}) as net_sales_amount_reporting
    from months
    -- no match where each order has one day
    left join repeated_orders
        on
            months.month_start_date = repeated_orders.month_start_date
            and months.source_system = repeated_orders.source_system
            and months.country = repeated_orders.country
            and months.currency = repeated_orders.currency

)

select * from final
