-- Grain: one row per product and version, and one unknown member of one version.
-- Join a line by product_key, with order_date >= valid_from_date and < valid_to_date.
{{ config(
    materialized='table_when_new',
) }}
with

observations as (

    select *
    from {{ ref('fct_product_observations') }}

),

versions as (
    {{ runs_of_equal_attributes('observations', ['product_key', 'source_system', 'product_id'], backwards=true) }}
),

numbered as (

    select
        *,
        row_number() over (partition by product_key order by first_date asc nulls last) as version_number,
        lead(first_date) over (partition by product_key order by first_date asc nulls last) as valid_to_date
    from versions

),

unknown_member as (

    select
        {{ unknown_member_key() }} as product_key,
        'unknown' as source_system,
        cast(null as {{ text_type() }}) as product_id,
        'unknown' as product_name,
        'unknown' as product_category,
        'unknown' as product_sub_category,
        1 as version_number,
        true as is_current,
        cast('{{ var("calendar_start") }}' as date) as valid_from_date,
        cast(null as date) as valid_to_date

),

final as (

    select
        product_key,
        source_system,
        product_id,
        product_name,
        -- most sources have no categories, and reports group by them
        coalesce(product_category, 'unknown') as product_category,
        coalesce(product_sub_category, 'unknown') as product_sub_category,
        cast(version_number as integer) as version_number,
        valid_to_date is null as is_current,
        first_date as valid_from_date,
        valid_to_date
    from numbered

    union all

    select * from unknown_member

)

select * from final
