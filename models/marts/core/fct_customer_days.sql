-- Grain: one row per customer and order_date with a sales line.
-- There is nothing to sum: fct_customer_months takes what is known of the customers from here.
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
        min(country) as first_country,
        max(country) as last_country,
        min(region) as first_region,
        max(region) as last_region,
        min(customer_segment) as first_customer_segment,
        max(customer_segment) as last_customer_segment,
        order_date
    from {{ ref('fct_sales_lines') }}
    where {{ only_touched_dates('order_date') }} and customer_id is not null
    group by customer_key, source_system, customer_id, order_date

),

-- `<` of whole rows, not `<>` or `or`: a planner takes nearly all rows for different
disputed_days as (

    select
        customer_key,
        order_date
    from days
    where
        (coalesce(first_country, ''), coalesce(first_region, ''), coalesce(first_customer_segment, ''))
        < (coalesce(last_country, ''), coalesce(last_region, ''), coalesce(last_customer_segment, ''))

),

-- The fact is read a second time: to keep its rows for that takes longer.
lines as (

    select
        sales_line_id,
        customer_key,
        country,
        region,
        customer_segment,
        order_date,
        ordered_at,
        _file_id,
        _row_number
    from {{ ref('fct_sales_lines') }}
    where {{ only_touched_dates('order_date') }} and customer_id is not null

),

-- Only the lines of a day with different values are sorted. File and row number make the order total.
disputed_lines as (

    select
        lines.customer_key,
        lines.order_date,
        lines.country,
        lines.region,
        lines.customer_segment,
        row_number() over (
            partition by lines.customer_key, lines.order_date, lines.country is null
            order by
                lines.ordered_at desc nulls last,
                lines._file_id desc nulls last,
                lines._row_number desc nulls last,
                -- items of one record
                lines.sales_line_id desc nulls last
        ) as recency_of_country,
        row_number() over (
            partition by lines.customer_key, lines.order_date, lines.region is null
            order by
                lines.ordered_at desc nulls last,
                lines._file_id desc nulls last,
                lines._row_number desc nulls last,
                -- items of one record
                lines.sales_line_id desc nulls last
        ) as recency_of_region,
        row_number() over (
            partition by lines.customer_key, lines.order_date, lines.customer_segment is null
            order by
                lines.ordered_at desc nulls last,
                lines._file_id desc nulls last,
                lines._row_number desc nulls last,
                -- items of one record
                lines.sales_line_id desc nulls last
        ) as recency_of_customer_segment
    from lines
    inner join disputed_days
        on lines.customer_key = disputed_days.customer_key and lines.order_date = disputed_days.order_date

),

-- lines without a value are numbered apart from those with one, and add NULL here
settled_days as (

    select
        customer_key,
        order_date,
        max(case when recency_of_country = 1 then country end) as country,
        max(case when recency_of_region = 1 then region end) as region,
        max(case when recency_of_customer_segment = 1 then customer_segment end) as customer_segment
    from disputed_lines
    group by customer_key, order_date

),

final as (

    select
        days.customer_key,
        days.source_system,
        days.customer_id,
        -- the same value twice, or none, where the day is not settled
        coalesce(settled_days.country, days.last_country) as country,
        coalesce(settled_days.region, days.last_region) as region,
        coalesce(settled_days.customer_segment, days.last_customer_segment) as customer_segment,
        days.order_date
    from days
    -- no match where the lines of the day agree
    left join settled_days
        on days.customer_key = settled_days.customer_key and days.order_date = settled_days.order_date

)

-- in the order of days, so that the block range index finds a day
select * from final
order by order_date asc nulls last
