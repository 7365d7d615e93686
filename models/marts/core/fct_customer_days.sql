-- Grain: one row per customer and order_date with a sales line.
-- There is nothing to sum: fct_customer_months takes the countries of the customers from here.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'order_date', 'member_column': 'customer_key', 'public': false},
    pre_hook='{{ only_hash_joins() }}',
    indexes=[{'columns': ['order_date'], 'type': 'brin'}],
) }}
with

days as (

    select
        customer_key,
        source_system,
        customer_id,
        order_date,
        min(country) as first_country,
        max(country) as last_country
    from {{ ref('fct_sales_lines') }}
    where {{ only_touched_dates('order_date') }} and customer_id is not null
    group by customer_key, source_system, customer_id, order_date

),

-- `<`, not `<>`: a planner takes nearly all rows for different
disputed_days as (

    select
        customer_key,
        order_date
    from days
    where first_country < last_country

),

-- The fact is read a second time: to keep its rows for that takes longer.
lines as (

    select
        sales_line_id,
        customer_key,
        country,
        order_date,
        ordered_at,
        _file_id,
        _row_number
    from {{ ref('fct_sales_lines') }}
    where {{ only_touched_dates('order_date') }} and country is not null

),

-- Only the lines of a day with different countries are sorted. File and row number make the order total.
disputed_countries_latest_first as (

    select
        lines.customer_key,
        lines.order_date,
        lines.country,
        row_number() over (
            partition by lines.customer_key, lines.order_date
            order by
                lines.ordered_at desc nulls last,
                lines._file_id desc nulls last,
                lines._row_number desc nulls last,
                -- items of one record
                lines.sales_line_id desc nulls last
        ) as recency
    from lines
    inner join disputed_days
        on lines.customer_key = disputed_days.customer_key and lines.order_date = disputed_days.order_date

),

settled_countries as (

    select
        customer_key,
        order_date,
        country
    from disputed_countries_latest_first
    where recency = 1

),

final as (

    select
        days.customer_key,
        days.source_system,
        days.customer_id,
        -- the same country twice, or no country, where the day is not settled
        coalesce(settled_countries.country, days.last_country) as country,
        days.order_date
    from days
    -- no match where the lines of the day agree
    left join settled_countries
        on days.customer_key = settled_countries.customer_key and days.order_date = settled_countries.order_date

)

-- in the order of days, so that the block range index finds a day
select * from final
order by order_date asc nulls last
