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

-- Days with a line have the country, days of the first line of an order its figures: often, but not always, the same.
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
        cast(null as date) as country_date
    from orders

    union all

    select
        customer_key,
        source_system,
        customer_id,
        cast(0 as numeric(28, 4)) as net_sales_amount_reporting,
        false as is_sale,
        false as is_counted,
        false as is_order,
        order_date,
        case when country is not null then order_date end as country_date
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
        max(days.country_date) as country_date,
        calendar.month_start_date
    from days
    -- always matches: a line dated outside the calendar is quarantined
    inner join calendar
        on days.order_date = calendar.date_day
    group by days.customer_key, days.source_system, days.customer_id, calendar.month_start_date

),

final as (

    select
        months.customer_key,
        months.source_system,
        months.customer_id,
        customer_days.country,
        months.order_count,
        cast(months.net_sales_amount_reporting as numeric(28, 4)) as net_sales_amount_reporting,
        months.row_count > 0 as has_order,
        months.first_order_date is not null as is_active,
        months.first_order_date,
        months.last_order_date,
        months.month_start_date
    from months
    -- one row a day and customer; no match where no line of the month has a country
    left join customer_days
        on months.customer_key = customer_days.customer_key and months.country_date = customer_days.order_date

)

-- in the order of months, so that the block range index finds a month
select * from final
order by month_start_date asc nulls last
