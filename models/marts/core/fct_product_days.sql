-- Grain: one row per product and order_date with a sales line. Lines without a product are of none.
-- There is nothing to sum: fct_product_observations is built from this table.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'order_date', 'public': false},
    pre_hook='{{ only_hash_joins() }}',
    indexes=[{'columns': ['order_date'], 'type': 'brin'}],
) }}
with

categories as (

    select *
    from {{ ref('int_products__categories_observed') }}
    where {{ only_touched_dates('order_date') }}

),

days as (

    select
        product_key,
        source_system,
        product_id,
        order_date,
        min(product_name) as first_name,
        max(product_name) as last_name
    from {{ ref('fct_sales_lines') }}
    where product_id is not null and {{ only_touched_dates('order_date') }}
    group by product_key, source_system, product_id, order_date

),

-- `<`, not `<>`: a planner takes nearly all rows for different
disputed_days as (

    select
        product_key,
        order_date
    from days
    where first_name < last_name

),

-- The fact is read a second time: to keep its rows for that takes longer.
lines as (

    select
        sales_line_id,
        product_key,
        product_name,
        order_date,
        ordered_at,
        _file_id,
        _row_number
    from {{ ref('fct_sales_lines') }}
    where {{ only_touched_dates('order_date') }} and product_name is not null

),

-- Only the lines of a day with different names are sorted. File and row number make the order total.
disputed_names_latest_first as (

    select
        lines.product_key,
        lines.order_date,
        lines.product_name,
        row_number() over (
            partition by lines.product_key, lines.order_date
            order by
                lines.ordered_at desc nulls last,
                lines._file_id desc nulls last,
                lines._row_number desc nulls last,
                -- items of one record
                lines.sales_line_id desc nulls last
        ) as recency
    from lines
    inner join disputed_days
        on lines.product_key = disputed_days.product_key and lines.order_date = disputed_days.order_date

),

settled_names as (

    select
        product_key,
        order_date,
        product_name
    from disputed_names_latest_first
    where recency = 1

),

categories_latest_first as (

    select
        *,
        row_number() over (
            partition by product_key, order_date
            order by _file_id desc nulls last, _row_number desc nulls last
        ) as recency
    from categories

),

latest_categories as (

    select *
    from categories_latest_first
    where recency = 1

),

final as (

    select
        days.product_key,
        days.source_system,
        days.product_id,
        -- the same name twice, or no name, where the day is not settled
        coalesce(settled_names.product_name, days.last_name) as product_name,
        latest_categories.product_category,
        latest_categories.product_sub_category,
        days.order_date
    from days
    -- no match where the lines of the day agree
    left join settled_names
        on days.product_key = settled_names.product_key and days.order_date = settled_names.order_date
    -- no match for sources without categories
    left join latest_categories
        on days.product_key = latest_categories.product_key and days.order_date = latest_categories.order_date

)

-- in the order of days, so that the block range index finds a day
select * from final
order by order_date asc nulls last
