-- Grain: one row per file, product and order_date with a category on a line; the latest such line counts.
-- A table, unlike other intermediate models: a view would read every file again at each build.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_file',
    meta={'records_dates': 'order_date'},
) }}
with

superstore as (

    select
        cast('superstore' as {{ text_type() }}) as source_system,
        product_id,
        product_category,
        product_sub_category,
        order_date,
        _file_id,
        _row_number
    from {{ ref('stg_superstore__order_lines_typed') }}
    where row_status = 'accepted' and {{ only_new_files() }}

),

latest_first as (

    select
        *,
        row_number() over (
            partition by source_system, product_id, order_date, _file_id
            order by _row_number desc nulls last
        ) as recency
    from superstore
    where product_category is not null or product_sub_category is not null

),

final as (

    select
        {{ member_key('source_system', 'product_id') }} as product_key,
        -- category and sub-category belong together, so a blank one is unknown
        coalesce(product_category, 'unknown') as product_category,
        coalesce(product_sub_category, 'unknown') as product_sub_category,
        order_date,
        _file_id,
        _row_number
    from latest_first
    where recency = 1

)

select * from final
