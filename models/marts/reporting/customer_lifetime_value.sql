-- Grain: one row per customer who bought something; orders without a customer are left out.
-- average_order_value_reporting must not be summed.
{{ config(
    materialized='view_of_marts',
) }}
with

customers as (

    select *
    from {{ ref('fct_customer_purchases') }}
    where order_count > 0

),

sources as (

    select * from {{ ref('fct_source_coverage') }}

),

final as (

    select
        customers.customer_key,
        customers.source_system,
        customers.customer_id,
        customers.order_count,
        customers.net_sales_amount_reporting,
        {{ div('customers.net_sales_amount_reporting', 'customers.order_count', *decimal_size('sum_type')) }}
            as average_order_value_reporting,
        {{ days_between('customers.first_order_date', 'customers.last_order_date') }} as active_days,
        {{ days_between('customers.first_order_date', 'sources.as_of_date') }} as tenure_days,
        {{ days_between('customers.last_order_date', 'sources.as_of_date') }} as recency_days,
        customers.first_order_date,
        customers.last_order_date,
        sources.as_of_date
    from customers
    inner join sources
        on customers.source_system = sources.source_system

)

select * from final
