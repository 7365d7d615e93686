-- Grain: one row per source system and store id, of a list or of a sales line, and one unknown member.
-- Stores in their current version; dim_store_history has all versions.
{{ config(
    materialized='table_when_new',
) }}
with

current_versions as (

    select *
    from {{ ref('dim_store_history') }}
    where is_current

),

lives as (

    select
        store_key,
        min(order_date) as first_sale_date,
        max(order_date) as last_sale_date
    from {{ ref('fct_store_sales_daily') }}
    group by store_key

),

final as (

    select
        current_versions.store_key,
        current_versions.source_system,
        current_versions.store_id,
        current_versions.store_name,
        current_versions.store_format,
        current_versions.region,
        current_versions.country,
        current_versions.currency,
        current_versions.time_zone,
        current_versions.day_ends_at,
        current_versions.opened_date,
        current_versions.closed_date,
        current_versions.refurbished_from_date,
        current_versions.refurbished_to_date,
        current_versions.is_listed,
        lives.first_sale_date,
        lives.last_sale_date
    from current_versions
    -- no match for the unknown member, and for a store that sold nothing
    left join lives
        on current_versions.store_key = lives.store_key

)

select * from final
