-- Grain: one row per customer who bought something.
-- Scores are ranks among the customers of the same source: they must be neither summed nor compared between sources.
{{ config(
    materialized='view_of_marts',
) }}
with

customers as (

    select * from {{ ref('fct_customer_scores') }}

),

sources as (

    select * from {{ ref('fct_source_coverage') }}

),

final as (

    select
        customers.customer_key,
        customers.source_system,
        customers.customer_id,
        {{ days_between('customers.last_order_date', 'sources.as_of_date') }} as recency_days,
        customers.order_count,
        customers.net_sales_amount_reporting,
        customers.recency_score,
        customers.frequency_score,
        customers.monetary_score,
        100 * customers.recency_score + 10 * customers.frequency_score + customers.monetary_score as rfm_score,
        sources.as_of_date
    from customers
    inner join sources
        on customers.source_system = sources.source_system

)

select * from final
