-- Grain: one row per customer and order_date with a sales line.
-- There is nothing to sum: fct_customer_months takes what is known of the customers from here.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'order_date', 'member_column': 'customer_key', 'public': false},
    pre_hook='{{ only_hash_joins() }}',
    indexes=[{'columns': ['order_date'], 'type': 'brin'}],
) }}
{% set attributes = ['country', 'region', 'customer_segment'] %}
with

days as (

    select
        customer_key,
        source_system,
        customer_id,
        {%- for attribute in attributes %}
        min({{ attribute }}) as first_{{ attribute }},
        max({{ attribute }}) as last_{{ attribute }},
        {%- endfor %}
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
        {{ attributes | join(',\n        ') }},
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
        {%- for attribute in attributes %}
        lines.{{ attribute }},
        row_number() over (
            partition by lines.customer_key, lines.order_date, lines.{{ attribute }} is null
            order by
                lines.ordered_at desc nulls last,
                lines._file_id desc nulls last,
                lines._row_number desc nulls last,
                -- items of one record
                lines.sales_line_id desc nulls last
        ) as recency_of_{{ attribute }}{{ ',' if not loop.last }}
        {%- endfor %}
    from lines
    inner join disputed_days
        on lines.customer_key = disputed_days.customer_key and lines.order_date = disputed_days.order_date

),

-- lines without a value are numbered apart from those with one, and add NULL here
settled_days as (

    select
        customer_key,
        order_date,
        {%- for attribute in attributes %}
        max(case when recency_of_{{ attribute }} = 1 then {{ attribute }} end) as {{ attribute }}{{ ',' if not loop.last }}
        {%- endfor %}
    from disputed_lines
    group by customer_key, order_date

),

final as (

    select
        days.customer_key,
        days.source_system,
        days.customer_id,
        -- the same value twice, or none, where the day is not settled
        {%- for attribute in attributes %}
        coalesce(settled_days.{{ attribute }}, days.last_{{ attribute }}) as {{ attribute }},
        {%- endfor %}
        days.order_date
    from days
    -- no match where the lines of the day agree
    left join settled_days
        on days.customer_key = settled_days.customer_key and days.order_date = settled_days.order_date

)

-- in the order of days, so that the block range index finds a day
select * from final
order by order_date asc nulls last
