-- Grain: one row per source system and customer id, and one unknown member for lines without a customer.
-- Built from the facts: the files contain no customer list, so the lines are the only source.
{{ config(
    materialized='view_of_marts',
) }}
with

customers as (

    select * from {{ ref('fct_customer_purchases') }}

),

sources as (

    select * from {{ ref('fct_source_coverage') }}

),

unknown_member as (

    select
        {{ unknown_member_key() }} as customer_key,
        'unknown' as source_system,
        cast(null as {{ text_type() }}) as customer_id,
        cast(null as {{ text_type() }}) as country,
        cast(null as {{ text_type() }}) as region,
        cast(null as {{ text_type() }}) as customer_segment,
        0 as order_count,
        cast(null as integer) as tenure_days,
        false as is_known,
        cast(null as date) as first_order_date,
        cast(null as date) as last_order_date

),

final as (

    select
        customers.customer_key,
        customers.source_system,
        customers.customer_id,
        customers.country,
        customers.region,
        customers.customer_segment,
        customers.order_count,
        {{ days_between('customers.first_order_date', 'sources.as_of_date') }} as tenure_days,
        true as is_known,
        customers.first_order_date,
        customers.last_order_date
    from customers
    -- always matches: a line is part of an order
    left join sources
        on customers.source_system = sources.source_system

    union all

    select * from unknown_member

)

select * from final
