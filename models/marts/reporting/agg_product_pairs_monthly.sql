-- Grain: one row per month_start_date and pair of products that were sold in one order; first_product_key is the
-- lesser key, and a product with itself is a pair, too. Of sources with one currency.
-- Nothing here may be summed but the months of a pair: an order with three products counts in six pairs.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'month_start_date', 'period': 'month', 'public': false},
    pre_hook='{{ only_hash_joins() }}',
) }}
with

candidates as (

    select * from {{ ref('product_pair_candidates') }}

),

-- orders with several products, in the month of their first line
baskets as (

    select
        order_key,
        source_system,
        order_date
    from {{ ref('fct_orders') }}
    where sold_product_count > 1 and {{ only_touched_dates('order_date', 'month') }}

),

lines as (

    select
        {{ order_key() }} as order_key,
        source_system,
        product_key
    from {{ ref('fct_sales_lines') }}
    where is_merchandise and line_type = 'sale' and {{ only_touched_dates('order_date', 'month') }}

),

-- of the orders of several days, whose later lines may be in another month
order_days as (

    select
        order_key,
        source_system,
        product_key
    from {{ ref('fct_order_days') }}
    where is_sold and {{ only_touched_dates('order_date', 'month') }}

),

days as (

    select * from {{ ref('dim_date') }}

),

candidate_lines as (

    select
        lines.order_key,
        candidates.product_number
    from lines
    inner join candidates
        on lines.source_system = candidates.source_system and lines.product_key = candidates.product_key
    where candidates.is_of_one_currency

    union all

    select
        order_days.order_key,
        candidates.product_number
    from order_days
    inner join candidates
        on order_days.source_system = candidates.source_system and order_days.product_key = candidates.product_key
    where candidates.is_of_one_currency

),

-- a product on two lines of an order counts once for that order
products_per_order as (

    select
        order_key,
        product_number
    from candidate_lines
    group by order_key, product_number

),

products_per_basket as (

    select
        baskets.order_key,
        baskets.source_system,
        products_per_order.product_number,
        days.month_start_date
    from products_per_order
    inner join baskets
        on products_per_order.order_key = baskets.order_key
    -- always matches: a line dated outside the calendar is quarantined
    inner join days
        on baskets.order_date = days.date_day

),

pairs as (

    select
        first_products.month_start_date,
        first_products.source_system,
        first_products.product_number as first_product_number,
        second_products.product_number as second_product_number,
        count(*) as order_count
    from products_per_basket as first_products
    inner join products_per_basket as second_products
        on
            first_products.order_key = second_products.order_key
            and first_products.product_number <= second_products.product_number
    group by
        first_products.month_start_date, first_products.source_system, first_products.product_number,
        second_products.product_number

),

final as (

    select
        pairs.month_start_date,
        pairs.source_system,
        first_candidates.product_key as first_product_key,
        second_candidates.product_key as second_product_key,
        pairs.order_count
    from pairs
    inner join candidates as first_candidates
        on pairs.first_product_number = first_candidates.product_number
    inner join candidates as second_candidates
        on pairs.second_product_number = second_candidates.product_number

)

select * from final
