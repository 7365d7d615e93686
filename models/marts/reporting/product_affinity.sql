-- Grain: one row per source_system and pair of products often sold in one order; first_product_key is the smaller key.
-- Nothing here may be summed: an order with three products counts in three pairs.
{{ config(
    materialized='table_when_new',
    pre_hook='{{ only_hash_joins() }}',
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

candidates as (

    select * from {{ ref('product_pair_candidates') }}

),

monthly_pairs as (

    select * from {{ ref('agg_product_pairs_monthly') }}

),

daily_orders as (

    -- of the days that the pairs are of
    select *
    from {{ ref('fct_orders_daily') }}
    where {{ only_sampled_dates('order_date') if is_sampled('agg_product_pairs_monthly') else 'true' }}

),

sources as (

    select
        source_system,
        is_of_one_currency
    from candidates
    group by source_system, is_of_one_currency

),

-- The orders of a source with several currencies are looked at as a whole: one may be in two of them, and months.
sales_per_order as (

    select
        orders.source_system,
        orders.order_id,
        max(orders.sold_product_count) as product_count,
        count(*) as currency_count
    from orders
    inner join sources
        on orders.source_system = sources.source_system
    where not sources.is_of_one_currency
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

-- a product on two lines of an order counts once for that order
candidates_per_order as (

    select
        lines.source_system,
        lines.order_id,
        candidates.product_number
    from sold_lines_again as lines
    inner join candidates
        on lines.source_system = candidates.source_system and lines.product_key = candidates.product_key
    where not candidates.is_of_one_currency
    group by lines.source_system, lines.order_id, candidates.product_number

),

products_per_basket as (

    select
        baskets.order_number,
        candidates_per_order.product_number
    from candidates_per_order
    inner join baskets
        on
            candidates_per_order.source_system = baskets.source_system
            and candidates_per_order.order_id = baskets.order_id

),

-- with each product by itself as a pair of equal numbers, as in agg_product_pairs_monthly
numbered_pairs as (

    select
        first_products.product_number as first_product_number,
        second_products.product_number as second_product_number,
        count(*) as order_count
    from products_per_basket as first_products
    inner join products_per_basket as second_products
        on
            first_products.order_number = second_products.order_number
            and first_products.product_number <= second_products.product_number
    group by first_products.product_number, second_products.product_number

),

pairs as (

    select
        source_system,
        first_product_key,
        second_product_key,
        sum(order_count) as order_count
    from monthly_pairs
    group by source_system, first_product_key, second_product_key

    union all

    select
        first_candidates.source_system,
        first_candidates.product_key as first_product_key,
        second_candidates.product_key as second_product_key,
        numbered_pairs.order_count
    from numbered_pairs
    inner join candidates as first_candidates
        on numbered_pairs.first_product_number = first_candidates.product_number
    inner join candidates as second_candidates
        on numbered_pairs.second_product_number = second_candidates.product_number

),

orders_per_source as (

    select
        daily_orders.source_system,
        sum(daily_orders.basket_count) as order_count
    from daily_orders
    inner join sources
        on daily_orders.source_system = sources.source_system
    where sources.is_of_one_currency
    group by daily_orders.source_system

    union all

    select
        source_system,
        count(*) as order_count
    from baskets
    group by source_system

),

-- minimum number of orders for a product or a pair
limits as (

    select
        source_system,
        order_count,
        greatest({{ var('affinity_min_orders') }}, order_count * {{ var('affinity_min_support') }}) as min_order_count
    from orders_per_source

),

frequent_products as (

    select
        pairs.source_system,
        pairs.first_product_key as product_key,
        pairs.order_count,
        limits.order_count as all_order_count,
        limits.min_order_count
    from pairs
    inner join limits
        on pairs.source_system = limits.source_system
    where pairs.first_product_key = pairs.second_product_key and pairs.order_count >= limits.min_order_count

),

final as (

    select
        first_products.source_system,
        first_products.product_key as first_product_key,
        second_products.product_key as second_product_key,
        first_names.product_name as first_product_name,
        second_names.product_name as second_product_name,
        cast(first_products.all_order_count as bigint) as order_count,
        cast(first_products.order_count as bigint) as first_order_count,
        cast(second_products.order_count as bigint) as second_order_count,
        cast(pairs.order_count as bigint) as pair_order_count,
        {{ div('pairs.order_count', 'first_products.all_order_count', 9, 6) }} as support,
        {{ div('pairs.order_count', 'first_products.order_count', 9, 6) }} as confidence_first_to_second,
        {{ div('pairs.order_count', 'second_products.order_count', 9, 6) }} as confidence_second_to_first,
        {{ div(
            'pairs.order_count * first_products.all_order_count',
            'first_products.order_count * second_products.order_count',
            18,
            4,
        ) }} as lift
    from pairs
    inner join frequent_products as first_products
        on pairs.first_product_key = first_products.product_key
    inner join frequent_products as second_products
        on pairs.second_product_key = second_products.product_key
    -- both always match: all are built from the products of the facts
    inner join products as first_names
        on first_products.product_key = first_names.product_key
    inner join products as second_names
        on second_products.product_key = second_names.product_key
    where
        pairs.first_product_key < pairs.second_product_key
        and pairs.order_count >= first_products.min_order_count

)

select * from final
