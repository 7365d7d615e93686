-- Grain: one row per source system and product id, and one unknown member.
-- Read from the facts: the files bring no product list, so the lines are all that is known about a product.
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

products as (

    select
        product_key,
        source_system,
        product_id,
        min(order_date) as first_order_date,
        max(order_date) as last_order_date
    from lines
    where product_id is not null
    group by product_key, source_system, product_id

),

-- file and row number make the order total, so that the same lines give the same name on every build
names_latest_first as (

    select
        product_key,
        product_name,
        row_number() over (
            partition by product_key
            order by
                order_date desc nulls last,
                ordered_at desc nulls last,
                _file_id desc nulls last,
                _row_number desc nulls last
        ) as recency
    from lines
    where product_id is not null and product_name is not null

),

latest_names as (

    select
        product_key,
        product_name
    from names_latest_first
    where recency = 1

),

unknown_member as (

    select
        {{ unknown_member_key() }} as product_key,
        'unknown' as source_system,
        cast(null as {{ text_type() }}) as product_id,
        'unknown' as product_name,
        cast(null as date) as first_order_date,
        cast(null as date) as last_order_date

),

final as (

    select
        products.product_key,
        products.source_system,
        products.product_id,
        latest_names.product_name,
        products.first_order_date,
        products.last_order_date
    from products
    -- misses for a product whose every line has a blank name
    left join latest_names
        on products.product_key = latest_names.product_key

    union all

    select * from unknown_member

)

select * from final
