-- Grain: one row per customer with a sales line; lines without a customer are left out.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_member',
    meta={'member_column': 'customer_key'},
) }}
with

customer_days as (

    select *
    from {{ ref('fct_customer_days') }}
    where {{ only_touched_members() }}

),

orders as (

    select *
    from {{ ref('fct_orders') }}
    where {{ only_touched_members() }} and customer_id is not null

),

customers as (

    select
        customer_key,
        source_system,
        customer_id,
        max(case when country is not null then order_date end) as country_date
    from customer_days
    group by customer_key, source_system, customer_id

),

purchases as (

    select
        customer_key,
        -- an order in two currencies is one order
        count(distinct case when is_sale then order_id end) as order_count,
        sum(net_sales_amount_reporting) as net_sales_amount_reporting,
        min(case when is_sale then order_date end) as first_order_date,
        max(case when is_sale then order_date end) as last_order_date
    from orders
    group by customer_key

),

final as (

    select
        customers.customer_key,
        customers.source_system,
        customers.customer_id,
        customer_days.country,
        -- a customer who never bought has 0 orders, not NULL
        coalesce(purchases.order_count, 0) as order_count,
        cast(coalesce(purchases.net_sales_amount_reporting, 0) as numeric(28, 4)) as net_sales_amount_reporting,
        purchases.first_order_date,
        purchases.last_order_date
    from customers
    -- no match for a customer whose lines all have a blank country
    left join customer_days
        on customers.customer_key = customer_days.customer_key and customers.country_date = customer_days.order_date
    -- no match for a customer whose orders all have another customer too, and count for that one
    left join purchases
        on customers.customer_key = purchases.customer_key

)

select * from final
