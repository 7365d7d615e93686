-- Grain: one row per source system and product id, and one unknown member.
-- Products in their current version; dim_product_history has all versions.
{{ config(
    materialized='table_when_new',
) }}
with

current_versions as (

    select *
    from {{ ref('dim_product_history') }}
    where is_current

),

observations as (

    select *
    from {{ ref('fct_product_observations') }}

),

lives as (

    select
        product_key,
        min(first_date) as first_order_date,
        max(last_date) as last_order_date
    from observations
    group by product_key

),

final as (

    select
        current_versions.product_key,
        current_versions.source_system,
        current_versions.product_id,
        current_versions.product_name,
        current_versions.product_category,
        current_versions.product_sub_category,
        lives.first_order_date,
        lives.last_order_date
    from current_versions
    -- no match for the unknown member, which has no lines
    left join lives
        on current_versions.product_key = lives.product_key

)

select * from final
