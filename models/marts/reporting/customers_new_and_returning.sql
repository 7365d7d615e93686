-- Grain: one row per month_start_date and source_system with an order.
-- Customer counts must not be summed over months: a customer who buys in two months counts in both.
{{ config(
    materialized='table_when_new',
) }}
with

customer_months as (

    select *
    from {{ ref('fct_customer_months') }}
    where has_order

),

purchases as (

    select *
    from {{ ref('fct_customer_purchases') }}

),

days as (

    select *
    from {{ ref('fct_orders_daily') }}

),

calendar as (

    select * from {{ ref('dim_date') }}

),

unknown_months as (

    select
        calendar.month_start_date,
        days.source_system,
        sum(days.unknown_net_sales_amount_reporting) as net_sales_amount_reporting
    from days
    inner join calendar
        on days.order_date = calendar.date_day
    group by calendar.month_start_date, days.source_system

),

-- A customer with a return but no known earlier purchase bought before the data begin, and counts as returning.
told_apart as (

    select
        customer_months.source_system,
        customer_months.month_start_date,
        case when customer_months.is_active then 1 else 0 end as is_active,
        customer_months.net_sales_amount_reporting,
        -- first_order_date is NULL for customers who never bought
        case
            when customer_months.first_order_date = purchases.first_order_date then 'new'
            else 'returning'
        end as kind
    from customer_months
    inner join purchases
        on customer_months.customer_key = purchases.customer_key

    union all

    -- one row for each month with an order
    select
        source_system,
        month_start_date,
        0 as is_active,
        net_sales_amount_reporting,
        'unknown' as kind
    from unknown_months

),

final as (

    select
        month_start_date,
        source_system,
        sum(case when kind = 'new' then is_active else 0 end) as new_customer_count,
        sum(case when kind = 'returning' then is_active else 0 end) as returning_customer_count,
        cast(sum(case when kind = 'new' then net_sales_amount_reporting else 0 end) as {{ var('sum_type') }})
            as new_net_sales_amount_reporting,
        cast(sum(case when kind = 'returning' then net_sales_amount_reporting else 0 end) as {{ var('sum_type') }})
            as returning_net_sales_amount_reporting,
        cast(sum(case when kind = 'unknown' then net_sales_amount_reporting else 0 end) as {{ var('sum_type') }})
            as unknown_net_sales_amount_reporting,
        cast(sum(net_sales_amount_reporting) as {{ var('sum_type') }}) as net_sales_amount_reporting
    from told_apart
    group by month_start_date, source_system

)

select * from final
