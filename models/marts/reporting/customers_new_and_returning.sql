-- Grain: one row per month_start_date and source_system with an order.
-- Customer counts must not be summed over months: a customer who buys in two months counts in both.
{{ config(
    materialized='table_when_new',
) }}
with

orders as (

    select *
    from {{ ref('fct_orders') }}

),

calendar as (

    select * from {{ ref('dim_date') }}

),

customer_months as (

    select
        orders.source_system,
        orders.customer_key,
        calendar.month_start_date,
        max(case when orders.is_sale then 1 else 0 end) as is_active,
        sum(orders.net_sales_amount_reporting) as net_sales_amount_reporting
    from orders
    inner join calendar
        on orders.order_date = calendar.date_day
    group by orders.source_system, orders.customer_key, calendar.month_start_date

),

customers as (

    select
        source_system,
        customer_key,
        min(month_start_date) as first_month_start_date
    from customer_months
    where is_active = 1 and customer_key <> {{ unknown_member_key() }}
    group by source_system, customer_key

),

-- A customer with a return but no known earlier purchase bought before the data begin, and counts as returning.
told_apart as (

    select
        customer_months.*,
        case
            when customer_months.customer_key = {{ unknown_member_key() }} then 'unknown'
            when customer_months.month_start_date = customers.first_month_start_date then 'new'
            else 'returning'
        end as kind
    from customer_months
    -- no match for the unknown customer and for customers who never bought
    left join customers
        on
            customer_months.source_system = customers.source_system
            and customer_months.customer_key = customers.customer_key

),

final as (

    select
        month_start_date,
        source_system,
        sum(case when kind = 'new' then is_active else 0 end) as new_customer_count,
        sum(case when kind = 'returning' then is_active else 0 end) as returning_customer_count,
        cast(sum(case when kind = 'new' then net_sales_amount_reporting else 0 end) as numeric(28, 4))
            as new_net_sales_amount_reporting,
        cast(sum(case when kind = 'returning' then net_sales_amount_reporting else 0 end) as numeric(28, 4))
            as returning_net_sales_amount_reporting,
        cast(sum(case when kind = 'unknown' then net_sales_amount_reporting else 0 end) as numeric(28, 4))
            as unknown_net_sales_amount_reporting,
        cast(sum(net_sales_amount_reporting) as numeric(28, 4)) as net_sales_amount_reporting
    from told_apart
    group by month_start_date, source_system

)

select * from final
