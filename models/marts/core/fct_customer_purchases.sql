-- Grain: one row per customer with a sales line; lines without a customer are left out.
-- Which customers came or went is known of the orders and days; what they bought is added up by month.
-- depends_on: {{ ref('fct_orders') }}
-- depends_on: {{ ref('fct_customer_days') }}
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_member',
    meta={'member_column': 'customer_key'},
) }}
with

months as (

    select *
    from {{ ref('fct_customer_months') }}
    where {{ only_touched_members('month_start_date', 'month') }}

),

customers as (

    select
        customer_key,
        source_system,
        customer_id,
        sum(order_count) as order_count,
        sum(net_sales_amount_reporting) as net_sales_amount_reporting,
        min(first_order_date) as first_order_date,
        max(last_order_date) as last_order_date,
        {{ latest_value('month_start_date', 'country') }} as country,
        {{ latest_value('month_start_date', 'region') }} as region,
        {{ latest_value('month_start_date', 'customer_segment') }} as customer_segment
    from months
    group by customer_key, source_system, customer_id

),

final as (

    select
        customer_key,
        source_system,
        customer_id,
        country,
        region,
        customer_segment,
        cast(order_count as bigint) as order_count,
        cast(net_sales_amount_reporting as {{ var('sum_type') }}) as net_sales_amount_reporting,
        first_order_date,
        last_order_date
    from customers

)

select * from final
