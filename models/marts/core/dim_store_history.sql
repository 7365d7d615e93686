-- Grain: one row per store and version, and one unknown member of one version.
-- Join a line by store_key, with order_date >= valid_from_date and < valid_to_date.
{{ config(
    materialized='table_when_new',
) }}
with

listed as (

    select
        *,
        {{ member_key('source_system', 'store_id') }} as store_key
    from {{ ref('int_stores__listed') }}

),

stores_with_sales as (

    select
        store_key,
        source_system,
        store_id
    from {{ ref('fct_store_sales_daily') }}
    group by store_key, source_system, store_id

),

-- A list that says the same again is no new version: rows in turn that are equal have the same difference of numbers.
numbered as (

    select
        *,
        row_number() over (partition by store_key order by valid_from_date asc nulls first)
        - row_number() over (
            partition by
                store_key, store_name, store_format, region, country, currency, time_zone, day_ends_at, opened_date,
                closed_date, refurbished_from_date, refurbished_to_date
            order by valid_from_date asc nulls first
        ) as run_number
    from listed

),

runs as (

    select
        store_key,
        source_system,
        store_id,
        store_name,
        store_format,
        region,
        country,
        currency,
        time_zone,
        day_ends_at,
        opened_date,
        closed_date,
        refurbished_from_date,
        refurbished_to_date,
        min(valid_from_date) as listed_from_date
    from numbered
    group by
        source_system, store_id, run_number,
        store_key, store_name, store_format, region, country, currency, time_zone, day_ends_at, opened_date,
        closed_date, refurbished_from_date, refurbished_to_date

),

versions as (

    select
        *,
        row_number() over (partition by store_key order by listed_from_date asc nulls first) as version_number
    from runs

),

-- The first version holds from the start: a store had sales before its first list came.
dated as (

    select
        store_key,
        source_system,
        store_id,
        store_name,
        store_format,
        region,
        country,
        currency,
        time_zone,
        day_ends_at,
        opened_date,
        closed_date,
        refurbished_from_date,
        refurbished_to_date,
        version_number,
        case
            when version_number > 1 then listed_from_date
            else least(listed_from_date, cast('{{ var("calendar_start") }}' as date))
        end as valid_from_date,
        true as is_listed
    from versions

    union all

    select
        stores_with_sales.store_key,
        stores_with_sales.source_system,
        stores_with_sales.store_id,
        cast(null as {{ text_type() }}) as store_name,
        cast(null as {{ text_type() }}) as store_format,
        cast(null as {{ text_type() }}) as region,
        cast(null as {{ text_type() }}) as country,
        cast(null as {{ text_type() }}) as currency,
        cast(null as {{ text_type() }}) as time_zone,
        cast(null as {{ text_type() }}) as day_ends_at,
        cast(null as date) as opened_date,
        cast(null as date) as closed_date,
        cast(null as date) as refurbished_from_date,
        cast(null as date) as refurbished_to_date,
        1 as version_number,
        cast('{{ var("calendar_start") }}' as date) as valid_from_date,
        false as is_listed
    from stores_with_sales
    -- no match for stores that no list has
    left join listed
        on stores_with_sales.store_key = listed.store_key
    where listed.store_key is null

),

unknown_member as (

    select
        {{ unknown_member_key() }} as store_key,
        'unknown' as source_system,
        cast(null as {{ text_type() }}) as store_id,
        cast(null as {{ text_type() }}) as store_name,
        cast(null as {{ text_type() }}) as store_format,
        cast(null as {{ text_type() }}) as region,
        cast(null as {{ text_type() }}) as country,
        cast(null as {{ text_type() }}) as currency,
        cast(null as {{ text_type() }}) as time_zone,
        cast(null as {{ text_type() }}) as day_ends_at,
        cast(null as date) as opened_date,
        cast(null as date) as closed_date,
        cast(null as date) as refurbished_from_date,
        cast(null as date) as refurbished_to_date,
        1 as version_number,
        true as is_current,
        false as is_listed,
        cast('{{ var("calendar_start") }}' as date) as valid_from_date,
        cast(null as date) as valid_to_date

),

followed as (

    select
        *,
        lead(valid_from_date) over (partition by store_key order by version_number asc nulls last) as valid_to_date
    from dated

),

final as (

    select
        store_key,
        source_system,
        store_id,
        store_name,
        store_format,
        region,
        country,
        currency,
        time_zone,
        day_ends_at,
        opened_date,
        closed_date,
        refurbished_from_date,
        refurbished_to_date,
        cast(version_number as integer) as version_number,
        valid_to_date is null as is_current,
        is_listed,
        valid_from_date,
        valid_to_date
    from followed

    union all

    select * from unknown_member

)

select * from final
