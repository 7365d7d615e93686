-- Grain: one row per source system and customer id, and one unknown member for lines without a customer.
-- Built from the facts: the files contain no customer list, so the lines are the only source.
{{ config(
    materialized='table_when_new',
) }}
with

lines as (

    select *
    from {{ ref('fct_sales_lines') }}

),

orders as (

    select *
    from {{ ref('fct_orders') }}

),

customers as (

    select
        customer_key,
        source_system,
        customer_id,
        max(case when country is not null then order_date end) as country_date
    from lines
    where customer_id is not null
    group by customer_key, source_system, customer_id

),

-- Only the lines of the last day with a country are sorted, not the whole history of a customer. File and row number
-- make the order total, so that the same lines give the same country on every build.
countries_latest_first as (

    select
        lines.customer_key,
        lines.country,
        row_number() over (
            partition by lines.customer_key
            order by
                lines.ordered_at desc nulls last,
                lines._file_id desc nulls last,
                lines._row_number desc nulls last,
                -- items of one record
                lines.sales_line_id desc nulls last
        ) as recency
    from lines
    inner join customers
        on lines.customer_key = customers.customer_key and lines.order_date = customers.country_date
    where lines.country is not null

),

latest_countries as (

    select
        customer_key,
        country
    from countries_latest_first
    where recency = 1

),

-- the last day of the source's data, not today: an old file gives the same figures whenever it is built
sources as (

    select
        source_system,
        max(last_order_date) as as_of_date
    from orders
    group by source_system

),

purchases as (

    select
        customer_key,
        -- an order in two currencies is one order
        count(distinct order_id) as order_count,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date
    from orders
    where is_sale and customer_id is not null
    group by customer_key

),

unknown_member as (

    select
        {{ unknown_member_key() }} as customer_key,
        'unknown' as source_system,
        cast(null as {{ text_type() }}) as customer_id,
        cast(null as {{ text_type() }}) as country,
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
        latest_countries.country,
        -- a customer who never bought has 0 orders, not NULL
        coalesce(purchases.order_count, 0) as order_count,
        {{ days_between('purchases.first_order_date', 'sources.as_of_date') }} as tenure_days,
        true as is_known,
        purchases.first_order_date,
        purchases.last_order_date
    from customers
    -- no match for a customer whose lines all have a blank country
    left join latest_countries
        on customers.customer_key = latest_countries.customer_key
    -- no match for a customer with returns or fees only
    left join purchases
        on customers.customer_key = purchases.customer_key
    -- always matches: a line is part of an order
    left join sources
        on customers.source_system = sources.source_system

    union all

    select * from unknown_member

)

select * from final
