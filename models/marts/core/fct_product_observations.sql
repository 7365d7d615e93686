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

runs as (
    {{ runs_of_equal_attributes(
        'days', ['product_key', 'source_system', 'product_id', 'month_start_date']
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

)

select * from final
