-- Grain: one row per product that is in enough orders for a pair; no source has only one.
{{ config(
    materialized='table_when_new',
    meta={'public': false, 'rows_decide': true},
) }}
with

daily_orders as (

    select *
    from {{ ref('fct_orders_daily') }}
    where {{ only_sampled_dates('order_date') }}

),

baskets_per_currency as (

    select
        source_system,
        currency,
        sum(basket_count) as basket_count
    from daily_orders
    group by source_system, currency

),

-- Not more than the orders with several products: an order may be a basket in two currencies.
known_baskets as (

    select
        source_system,
        max(basket_count) as basket_count,
        count(*) = 1 as is_of_one_currency
    from baskets_per_currency
    group by source_system

),

sold_products as (

    select
        source_system,
        product_key,
        -- not less than the orders with the product: an order may count in two months or currencies
        sum(order_count) as order_count
    from {{ ref('agg_product_sales_monthly') }}
    where product_key <> {{ unknown_member_key() }}
    group by source_system, product_key

),

-- A pair is in no more orders than either of its products.
candidates as (

    select
        sold_products.source_system,
        sold_products.product_key,
        known_baskets.is_of_one_currency,
        count(*) over (partition by sold_products.source_system) as candidate_count
    from sold_products
    inner join known_baskets
        on sold_products.source_system = known_baskets.source_system
    where
        sold_products.order_count
        >= greatest({{ var('affinity_min_orders') }}, known_baskets.basket_count * {{ var('affinity_min_support') }})

),

final as (

    select
        source_system,
        product_key,
        -- numbers are compared and sorted several times as fast as keys
        row_number() over (order by source_system asc nulls last, product_key asc nulls last) as product_number,
        is_of_one_currency
    from candidates
    where candidate_count > 1

)

select * from final
