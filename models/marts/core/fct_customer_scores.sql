-- Grain: one row per customer who bought something.
-- Scores are ranks among the customers of the same source: they must be neither summed nor compared between sources.
{{ config(
    materialized='table_when_new',
) }}
with

customers as (

    select *
    from {{ ref('fct_customer_purchases') }}
    where order_count > 0

),

-- rank, not ntile: equal customers have an equal rank, whatever their order, and so the same score. Recency is
-- ranked by the date of the last order, not by the days since then, which change for all customers each day.
ranked as (

    select
        *,
        count(*) over (partition by source_system) as customer_count,
        rank() over (partition by source_system order by last_order_date asc nulls last) as recency_rank,
        rank() over (partition by source_system order by order_count asc nulls last) as frequency_rank,
        rank() over (partition by source_system order by net_sales_amount_reporting asc nulls last) as monetary_rank
    from customers

),

final as (

    select
        customer_key,
        source_system,
        customer_id,
        order_count,
        net_sales_amount_reporting,
        {{ quintile('recency_rank', 'customer_count') }} as recency_score,
        {{ quintile('frequency_rank', 'customer_count') }} as frequency_score,
        {{ quintile('monetary_rank', 'customer_count') }} as monetary_score,
        last_order_date
    from ranked

)

select * from final
