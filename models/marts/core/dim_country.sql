-- Grain: one row per country of ISO 3166, and one unknown member.
with

countries as (

    select * from {{ ref('countries') }}

),

final as (

    select
        country_code,
        country_name,
        region,
        sub_region,
        currency
    from countries

    union all

    select
        'unknown' as country_code,
        'unknown' as country_name,
        'unknown' as region,
        'unknown' as sub_region,
        cast(null as {{ text_type() }}) as currency

)

select * from final
