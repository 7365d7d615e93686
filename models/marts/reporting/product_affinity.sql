-- Grain: one row per source_system and pair of products often sold in one order; first_product_key is the smaller key.
-- Nothing here may be summed: an order with three products counts in three pairs.
{{ config(
    materialized='table_when_new',
    pre_hook='{{ without_nested_loops() }}',
) }}
with

orders as (

    select *
    from {{ ref('fct_orders') }}
    where sold_product_count > 0 and {{ only_sampled_dates('order_date') }}

),

-- twice, because PostgreSQL would write a CTE that is used twice to disk
sold_lines as (

    select
        source_system,
        order_id,
        product_key
    from {{ ref('fct_sales_lines') }}
    where is_merchandise and line_type = 'sale' and {{ only_sampled_dates('order_date') }}

),

sold_lines_again as (

    select
        source_system,
        order_id,
        product_key
    from {{ ref('fct_sales_lines') }}
    where is_merchandise and line_type = 'sale' and {{ only_sampled_dates('order_date') }}

),

products as (

    select * from {{ ref('dim_product') }}

),

-- Not more than the orders with several products: an order may be a basket in two currencies.
known_baskets as (

    select
        source_system,
        max(basket_count) as basket_count
    from (
        select
            source_system,
            currency,
            sum(basket_count) as basket_count
        from {{ ref('fct_orders_daily') }}
        where {{ only_sampled_dates('order_date') }}
        group by source_system, currency
    ) as baskets_per_currency
    group by source_system

),

sold_products as (

    select
        source_system,
        product_key,
        -- not less than the orders with the product: an order may count in two months or currencies
        sum(order_count) as order_count
    from {{ ref('agg_product_sales_monthly') }}
    group by source_system, product_key

),

-- A pair is in no more orders than either of its products. Products that are too rare for a pair are removed first, by
-- figures that are there already: most of the lines need not be sorted, and an order of a thousand lines does not make
-- half a million pairs.
candidates as (

    select
        sold_products.source_system,
        sold_products.product_key
    from sold_products
    inner join known_baskets
        on sold_products.source_system = known_baskets.source_system
    where
        sold_products.order_count
        >= greatest({{ var('affinity_min_orders') }}, known_baskets.basket_count * {{ var('affinity_min_support') }})

),

candidate_sources as (

    select source_system
    from candidates
    group by source_system
    having count(*) > 1

),

sales_per_order as (

    select
        orders.source_system,
        orders.order_id,
        max(orders.sold_product_count) as product_count,
        count(*) as currency_count
    from orders
    inner join candidate_sources
        on orders.source_system = candidate_sources.source_system
    group by orders.source_system, orders.order_id

),

-- an order with one product in each of two currencies has several products if these differ
orders_of_two_currencies as (

    select
        lines.source_system,
        lines.order_id
    from sold_lines as lines
    inner join sales_per_order
        on lines.source_system = sales_per_order.source_system and lines.order_id = sales_per_order.order_id
    where sales_per_order.product_count = 1 and sales_per_order.currency_count > 1
    group by lines.source_system, lines.order_id
    having count(distinct lines.product_key) > 1

),

-- An order with one product has no pairs, and would only lower every share. Numbers for orders and products are
-- compared and sorted several times as fast as the ids.
baskets as (

    select
        source_system,
        order_id,
        row_number() over (order by source_system asc nulls last, order_id asc nulls last) as order_number
    from (
        select
            source_system,
            order_id
        from sales_per_order
        where product_count > 1

        union all

        select * from orders_of_two_currencies
    ) as baskets_of_orders

),

-- minimum number of orders for a product or a pair
limits as (

    select
        source_system,
        count(*) as order_count,
        greatest({{ var('affinity_min_orders') }}, count(*) * {{ var('affinity_min_support') }}) as min_order_count
    from baskets
    group by source_system

),

-- a product on two lines of an order counts once for that order
candidates_per_order as (

    select
        lines.source_system,
        lines.order_id,
        lines.product_key
    from sold_lines_again as lines
    inner join candidates
        on lines.source_system = candidates.source_system and lines.product_key = candidates.product_key
    group by lines.source_system, lines.order_id, lines.product_key

),

products_per_basket as (

    select
        candidates_per_order.source_system,
        candidates_per_order.product_key,
        baskets.order_number
    from candidates_per_order
    inner join baskets
        on
            candidates_per_order.source_system = baskets.source_system
            and candidates_per_order.order_id = baskets.order_id

),

orders_per_product as (

    select
        source_system,
        product_key,
        count(*) as order_count
    from products_per_basket
    group by source_system, product_key

),

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
        products_per_basket.order_number,
        frequent_products.product_number
    from products_per_basket
    inner join frequent_products
        on
            products_per_basket.source_system = frequent_products.source_system
            and products_per_basket.product_key = frequent_products.product_key

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
