-- Grain: one row per customer and month_start_date with an order or a sales line of the customer.
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

customer_days as (

    select *
    from {{ ref('fct_customer_days') }}
    where {{ only_touched_dates('order_date', 'month') }}

),

calendar as (

    select * from {{ ref('dim_date') }}

),

-- Days with a line say what is known of the customer, days of the first line of an order have its figures: often, but
-- not always, the same.
days as (

    select
        customer_key,
        source_system,
        customer_id,
        net_sales_amount_reporting,
        is_sale,
        is_counted,
        true as is_order,
        order_date,
        cast(null as {{ text_type() }}) as country,
        cast(null as {{ text_type() }}) as region,
        cast(null as {{ text_type() }}) as customer_segment
    from orders

    union all

    select
        customer_key,
        source_system,
        customer_id,
        cast(0 as {{ var('sum_type') }}) as net_sales_amount_reporting,
        false as is_sale,
        false as is_counted,
        false as is_order,
        order_date,
        country,
        region,
        customer_segment
    from customer_days

),

months as (

    select
        days.customer_key,
        days.source_system,
        days.customer_id,
        sum(days.net_sales_amount_reporting) as net_sales_amount_reporting,
        count(case when days.is_order then 1 end) as row_count,
        count(case when days.is_counted then 1 end) as order_count,
        min(case when days.is_sale then days.order_date end) as first_order_date,
        max(case when days.is_sale then days.order_date end) as last_order_date,
        {{ latest_value('days.order_date', 'days.country') }} as country,
        {{ latest_value('days.order_date', 'days.region') }} as region,
        {{ latest_value('days.order_date', 'days.customer_segment') }} as customer_segment,
        calendar.month_start_date
    from days
    -- always matches: a line dated outside the calendar is quarantined
    inner join calendar
        on days.order_date = calendar.date_day
    group by days.customer_key, days.source_system, days.customer_id, calendar.month_start_date

),

final as (

    select
        customer_key,
        source_system,
        customer_id,
        country,
        region,
        customer_segment,
        order_count,
        cast(net_sales_amount_reporting as {{ var('sum_type') }}) as net_sales_amount_reporting,
        row_count > 0 as has_order,
        first_order_date is not null as is_active,
        first_order_date,
        last_order_date,
        month_start_date
    from months

)

-- in the order of months, so that the block range index finds a month
select * from final
order by month_start_date asc nulls last
