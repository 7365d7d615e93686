-- Grain: one row per product, month and run of days of the month whose lines have the same name and category.
-- There is nothing to sum: dim_product_history is built from this table, one month at a time.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'month_start_date', 'period': 'month', 'public': false},
) }}
with

days as (

    select
        product_key,
        source_system,
        product_id,
        product_name,
        product_category,
        product_sub_category,
        make_date(
            {{ date_part_number('year', 'order_date') }}, {{ date_part_number('month', 'order_date') }}, 1
        ) as month_start_date,
        order_date as first_date,
        order_date as last_date
    from {{ ref('fct_product_days') }}
    where {{ only_touched_dates('order_date', 'month') }}

),

months as (

    select
        product_key,
        source_system,
        product_id,
        month_start_date,
        min(product_name) as product_name,
        min(product_category) as product_category,
        min(product_sub_category) as product_sub_category,
        min(first_date) as first_date,
        max(last_date) as last_date,
        coalesce(min(product_name) = max(product_name), true)
        and coalesce(min(product_category) = max(product_category), true)
        and coalesce(min(product_sub_category) = max(product_sub_category), true)
        and count(product_name) in (0, count(*))
        and count(product_category) in (0, count(*)) as is_one_run
    from days
    group by product_key, source_system, product_id, month_start_date

),

-- only the days of a product that changes in the month are sorted
changing_days as (

    select days.*
    from days
    inner join months
        on days.product_key = months.product_key and days.month_start_date = months.month_start_date
    where not months.is_one_run

),

runs as (
    {{ runs_of_equal_attributes(
        'changing_days', ['product_key', 'source_system', 'product_id', 'month_start_date']
    ) }}
),

final as (

    select
        product_key,
        source_system,
        product_id,
        product_name,
        product_category,
        product_sub_category,
        month_start_date,
        first_date,
        last_date
    from runs

    union all

    select
        product_key,
        source_system,
        product_id,
        product_name,
        product_category,
        product_sub_category,
        month_start_date,
        first_date,
        last_date
    from months
    where is_one_run

)

select * from final
