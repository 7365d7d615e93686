-- Grain: one row per source_system and pair of products that are often sold in one order; first_product_key is the lesser.
-- Nothing here may be summed: an order with three products counts in three pairs.
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

    select * from {{ ref('dim_product') }}

),

-- a product on two lines of an order was sold in that order once
products_per_order as (

    select
        source_system,
        order_id,
        product_key
    from lines
    where is_merchandise and line_type = 'sale'
    group by source_system, order_id, product_key

),

-- an order of one product says nothing about pairs, and would only dilute every share
orders as (

    select
        source_system,
        order_id
    from products_per_order
    group by source_system, order_id
    having count(*) > 1

),

-- fewest orders that make a product or a pair count
limits as (

    select
        source_system,
        count(*) as order_count,
        greatest({{ var('affinity_min_orders') }}, count(*) * {{ var('affinity_min_support') }}) as min_order_count
    from orders
    group by source_system

),

baskets as (

    select products_per_order.*
    from products_per_order
    inner join orders
        on
            products_per_order.source_system = orders.source_system
            and products_per_order.order_id = orders.order_id

),

-- A pair is in no more orders than either of its products. Leaving out the rare ones first keeps an order of a thousand
-- lines from making half a million pairs.
frequent_products as (

    select
        baskets.source_system,
        baskets.product_key,
        count(*) as order_count
    from baskets
    inner join limits
        on baskets.source_system = limits.source_system
    group by baskets.source_system, baskets.product_key, limits.min_order_count
    having count(*) >= limits.min_order_count

),

frequent_baskets as (

    select baskets.*
    from baskets
    inner join frequent_products
        on
            baskets.source_system = frequent_products.source_system
            and baskets.product_key = frequent_products.product_key

),

pairs as (

    select
        first_products.source_system,
        first_products.product_key as first_product_key,
        second_products.product_key as second_product_key,
        count(*) as pair_order_count
    from frequent_baskets as first_products
    inner join frequent_baskets as second_products
        on
            first_products.source_system = second_products.source_system
            and first_products.order_id = second_products.order_id
            and first_products.product_key < second_products.product_key
    group by first_products.source_system, first_products.product_key, second_products.product_key

),

final as (

    select
        pairs.source_system,
        pairs.first_product_key,
        pairs.second_product_key,
        first_names.product_name as first_product_name,
        second_names.product_name as second_product_name,
        limits.order_count,
        first_products.order_count as first_order_count,
        second_products.order_count as second_order_count,
        pairs.pair_order_count,
        {{ div('pairs.pair_order_count', 'limits.order_count', 9, 6) }} as support,
        {{ div('pairs.pair_order_count', 'first_products.order_count', 9, 6) }} as confidence_first_to_second,
        {{ div('pairs.pair_order_count', 'second_products.order_count', 9, 6) }} as confidence_second_to_first,
        {{ div(
            'pairs.pair_order_count * limits.order_count',
            'first_products.order_count * second_products.order_count',
            18,
            4,
        ) }} as lift
    from pairs
    inner join limits
        on pairs.source_system = limits.source_system
    inner join frequent_products as first_products
        on
            pairs.source_system = first_products.source_system
            and pairs.first_product_key = first_products.product_key
    inner join frequent_products as second_products
        on
            pairs.source_system = second_products.source_system
            and pairs.second_product_key = second_products.product_key
    -- neither can miss: both are made of the products of the facts
    inner join products as first_names
        on pairs.first_product_key = first_names.product_key
    inner join products as second_names
        on pairs.second_product_key = second_names.product_key
    where pairs.pair_order_count >= limits.min_order_count

)

select * from final
