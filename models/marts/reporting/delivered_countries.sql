-- Grain: one row per country as the sales lines name it, and 'unknown' for lines without one.
-- Join agg_sales_daily, agg_sales_monthly and sales lines by country, to group them by the conformed one.
{{ config(
    materialized='table_when_new',
) }}
with

daily_sales as (

    select
        country,
        sum(line_count) as line_count,
        sum(net_sales_amount_reporting) as net_sales_amount_reporting
    from {{ ref('agg_sales_daily') }}
    group by country

),

aliases as (

    select * from {{ ref('dim_country_alias') }}

),

countries as (

    select * from {{ ref('dim_country') }}

),

final as (

    select
        daily_sales.country,
        countries.country_code,
        countries.country_name,
        countries.region,
        countries.sub_region,
        aliases.alias is not null as is_known,
        cast(daily_sales.line_count as bigint) as line_count,
        cast(daily_sales.net_sales_amount_reporting as {{ var('sum_type') }}) as net_sales_amount_reporting
    from daily_sales
    -- no match for a name that is not in the seed yet, which a test reports
    left join aliases
        on lower(daily_sales.country) = aliases.alias -- portable: a letter that an engine keeps is reported
    -- always matches: the unknown member is one of them
    inner join countries
        on coalesce(aliases.country_code, 'unknown') = countries.country_code

)

select * from final
