-- Grain: one row per customer and month_start_date with an order; orders without a customer are left out.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'month_start_date', 'period': 'month', 'public': false},
    indexes=[{'columns': ['month_start_date'], 'type': 'brin'}],
) }}
with

orders as (

    select *
    from {{ ref('fct_orders') }}
    where {{ only_touched_dates('order_date', 'month') }} and customer_id is not null

),

calendar as (

    select * from {{ ref('dim_date') }}

),

final as (

    select
        orders.customer_key,
        orders.source_system,
        cast(sum(orders.net_sales_amount_reporting) as numeric(28, 4)) as net_sales_amount_reporting,
        max(case when orders.is_sale then 1 else 0 end) = 1 as is_active,
        calendar.month_start_date
    from orders
    -- always matches: a line dated outside the calendar is quarantined
    inner join calendar
        on orders.order_date = calendar.date_day
    group by orders.customer_key, orders.source_system, calendar.month_start_date

)

-- in the order of months, so that the block range index finds a month
select * from final
order by month_start_date asc nulls last
