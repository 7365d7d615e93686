-- Grain: one row per source system and customer id, and one unknown member for lines without a customer.
-- Read from the facts: the files bring no customer list, so the lines are all that is known about a customer.
{{ config(
    materialized='incremental',
    incremental_strategy='when_new',
) }}
with

lines as (

    select *
    from {{ ref('fct_sales_lines') }}
    where {{ only_when_new() }}

),

customers as (

    select
        customer_key,
        source_system,
        customer_id,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date
    from lines
    where customer_id is not null
    group by customer_key, source_system, customer_id

),

-- file and row number make the order total, so that the same lines give the same country on every build
countries_latest_first as (

    select
        customer_key,
        country,
        row_number() over (
            partition by customer_key
            order by
                order_date desc nulls last,
                ordered_at desc nulls last,
                _file_id desc nulls last,
                _row_number desc nulls last
        ) as recency
    from lines
    where customer_id is not null and country is not null

),

latest_countries as (

    select
        customer_key,
        country
    from countries_latest_first
    where recency = 1

),

unknown_member as (

    select
        {{ unknown_member_key() }} as customer_key,
        'unknown' as source_system,
        cast(null as {{ text_type() }}) as customer_id,
        cast(null as {{ text_type() }}) as country,
        cast(null as date) as first_order_date,
        cast(null as date) as last_order_date

),

final as (

    select
        customers.customer_key,
        customers.source_system,
        customers.customer_id,
        latest_countries.country,
        customers.first_order_date,
        customers.last_order_date
    from customers
    -- misses for a customer whose every line has a blank country
    left join latest_countries
        on customers.customer_key = latest_countries.customer_key

    union all

    select * from unknown_member

)

select * from final
