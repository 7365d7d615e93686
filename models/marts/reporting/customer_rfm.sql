-- Grain: one row per customer who bought something.
-- Scores are ranks among the customers of the same source: they must be neither summed nor compared between sources.
{{ config(
    materialized='table_when_new',
) }}
with

customers as (

    select *
    from {{ ref('customer_lifetime_value') }}

),

-- rank, not ntile: equal customers have an equal rank, whatever their order, and so the same score. The most recent
-- customers have the fewest days, so recency is ranked in descending order.
ranked as (

    select
        *,
        count(*) over (partition by source_system) as customer_count,
        rank() over (partition by source_system order by recency_days desc nulls last) as recency_rank,
        rank() over (partition by source_system order by order_count asc nulls last) as frequency_rank,
        rank() over (partition by source_system order by net_sales_amount_reporting asc nulls last) as monetary_rank
    from customers

),

scored as (

    select
        *,
        {{ quintile('recency_rank', 'customer_count') }} as recency_score,
        {{ quintile('frequency_rank', 'customer_count') }} as frequency_score,
        {{ quintile('monetary_rank', 'customer_count') }} as monetary_score
    from ranked

),

final as (

    select
        customer_key,
        source_system,
        customer_id,
        recency_days,
        order_count,
        net_sales_amount_reporting,
        recency_score,
        frequency_score,
        monetary_score,
        100 * recency_score + 10 * frequency_score + monetary_score as rfm_score,
        as_of_date
    from scored

)

select * from final
