-- Grain: one row per source_system and pair of products often sold in one order; first_product_key is the smaller key.
-- Nothing here may be summed: an order with three products counts in three pairs.
{{ config(
    materialized='table_when_new',
    pre_hook='{{ without_nested_loops() }}',
) }}
with

lines as (

    select *
    from {{ ref('fct_sales_lines') }}

),

products as (

    select * from {{ ref('dim_product') }}

),

-- a product on two lines of an order counts once for that order
products_per_order as (

    select
        source_system,
        order_id,
        product_key
    from lines
    where is_merchandise and line_type = 'sale'
    group by source_system, order_id, product_key

),

-- numbers for orders and products: they are compared and sorted several times as fast as the ids
numbered_orders as (

    select
        *,
        count(*) over (partition by source_system, order_id) as product_count,
        dense_rank() over (order by source_system asc nulls last, order_id asc nulls last) as order_number
    from products_per_order

),

-- an order with one product has no pairs, and would only lower every share
baskets as (

    select *
    from numbered_orders
    where product_count > 1

),

-- minimum number of orders for a product or a pair
limits as (

    select
        source_system,
        count(distinct order_number) as order_count,
        greatest(
            {{ var('affinity_min_orders') }}, count(distinct order_number) * {{ var('affinity_min_support') }}
        ) as min_order_count
    from baskets
    group by source_system

),

orders_per_product as (

    select
        source_system,
        product_key,
        count(*) as order_count
    from baskets
    group by source_system, product_key

),

-- A pair is in no more orders than either of its products. Removing rare products first keeps an order of a thousand
-- lines from making half a million pairs.
frequent_products as (

    select
        orders_per_product.*,
        limits.order_count as all_order_count,
        limits.min_order_count,
        row_number() over (
            order by orders_per_product.source_system asc nulls last, orders_per_product.product_key asc nulls last
        ) as product_number
    from orders_per_product
    inner join limits
        on orders_per_product.source_system = limits.source_system
    where orders_per_product.order_count >= limits.min_order_count

),

frequent_baskets as (

    select
        baskets.order_number,
        frequent_products.product_number
    from baskets
    inner join frequent_products
        on
            baskets.source_system = frequent_products.source_system
            and baskets.product_key = frequent_products.product_key

),

pairs as (

    select
        first_products.product_number as first_product_number,
        second_products.product_number as second_product_number,
        count(*) as pair_order_count
    from frequent_baskets as first_products
    inner join frequent_baskets as second_products
        on
            first_products.order_number = second_products.order_number
            and first_products.product_number < second_products.product_number
    group by first_products.product_number, second_products.product_number

),

final as (

    select
        first_products.source_system,
        first_products.product_key as first_product_key,
        second_products.product_key as second_product_key,
        first_names.product_name as first_product_name,
        second_names.product_name as second_product_name,
        first_products.all_order_count as order_count,
        first_products.order_count as first_order_count,
        second_products.order_count as second_order_count,
        pairs.pair_order_count,
        {{ div('pairs.pair_order_count', 'first_products.all_order_count', 9, 6) }} as support,
        {{ div('pairs.pair_order_count', 'first_products.order_count', 9, 6) }} as confidence_first_to_second,
        {{ div('pairs.pair_order_count', 'second_products.order_count', 9, 6) }} as confidence_second_to_first,
        {{ div(
            'pairs.pair_order_count * first_products.all_order_count',
            'first_products.order_count * second_products.order_count',
            18,
            4,
        ) }} as lift
    from pairs
    inner join frequent_products as first_products
        on pairs.first_product_number = first_products.product_number
    inner join frequent_products as second_products
        on pairs.second_product_number = second_products.product_number
    -- both always match: all are built from the products of the facts
    inner join products as first_names
        on first_products.product_key = first_names.product_key
    inner join products as second_names
        on second_products.product_key = second_names.product_key
    where pairs.pair_order_count >= first_products.min_order_count

)

select * from final
