-- Grain: one row per product and order_date with a sales line. Lines without a product are of none.
-- There is nothing to sum: fct_product_observations is built from this table.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'order_date', 'public': false},
    pre_hook='{{ only_hash_joins() }}',
    indexes=[{'columns': ['order_date'], 'type': 'brin'}],
) }}
-- Category and sub-category belong together, so where a line has one of them alone the other is unknown.
{% set category = "coalesce(product_category, case when product_subcategory is not null then 'unknown' end)" %}
{% set subcategory = "coalesce(product_subcategory, case when product_category is not null then 'unknown' end)" %}
with

days as (

    select
        product_key,
        source_system,
        product_id,
        order_date,
        min(product_name) as first_name,
        max(product_name) as last_name,
        min({{ category }}) as first_category,
        max({{ category }}) as last_category,
        min({{ subcategory }}) as first_subcategory,
        max({{ subcategory }}) as last_subcategory
    from {{ ref('fct_sales_lines') }}
    where product_id is not null and {{ only_touched_dates('order_date') }}
    group by product_key, source_system, product_id, order_date

),

-- `<` of whole rows, not `<>` or `or`: a planner takes nearly all rows for different
disputed_days as (

    select
        product_key,
        order_date
    from days
    where
        (coalesce(first_name, ''), coalesce(first_category, ''), coalesce(first_subcategory, ''))
        < (coalesce(last_name, ''), coalesce(last_category, ''), coalesce(last_subcategory, ''))

),

-- The fact is read a second time: to keep its rows for that takes longer.
lines as (

    select
        sales_line_id,
        product_key,
        product_name,
        {{ category }} as product_category,
        {{ subcategory }} as product_subcategory,
        order_date,
        ordered_at,
        _file_id,
        _row_number
    from {{ ref('fct_sales_lines') }}
    where {{ only_touched_dates('order_date') }}

),

-- Only the lines of a day with different names or categories are sorted. File and row number make the order total.
disputed_lines as (

    select
        lines.product_key,
        lines.order_date,
        lines.product_name,
        lines.product_category,
        lines.product_subcategory,
        row_number() over (
            partition by lines.product_key, lines.order_date, lines.product_name is null
            order by
                lines.ordered_at desc nulls last,
                lines._file_id desc nulls last,
                lines._row_number desc nulls last,
                -- items of one record
                lines.sales_line_id desc nulls last
        ) as recency_of_product_name,
        row_number() over (
            partition by lines.product_key, lines.order_date, lines.product_category is null
            order by
                lines.ordered_at desc nulls last,
                lines._file_id desc nulls last,
                lines._row_number desc nulls last,
                -- items of one record
                lines.sales_line_id desc nulls last
        ) as recency_of_product_category
    from lines
    inner join disputed_days
        on lines.product_key = disputed_days.product_key and lines.order_date = disputed_days.order_date

),

-- lines without a value are numbered apart from those with one, and add NULL here
settled_days as (

    select
        product_key,
        order_date,
        max(case when recency_of_product_name = 1 then product_name end) as product_name,
        max(case when recency_of_product_category = 1 then product_category end) as product_category,
        max(case when recency_of_product_category = 1 then product_subcategory end) as product_subcategory
    from disputed_lines
    group by product_key, order_date

),

final as (

    select
        days.product_key,
        days.source_system,
        days.product_id,
        -- the same value twice, or none, where the day is not settled
        coalesce(settled_days.product_name, days.last_name) as product_name,
        coalesce(settled_days.product_category, days.last_category) as product_category,
        coalesce(settled_days.product_subcategory, days.last_subcategory) as product_sub_category,
        days.order_date
    from days
    -- no match where the lines of the day agree
    left join settled_days
        on days.product_key = settled_days.product_key and days.order_date = settled_days.order_date

)

-- in the order of days, so that the block range index finds a day
select * from final
order by order_date asc nulls last
