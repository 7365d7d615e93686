-- Grain: one row per order_date, source_system and currency with an order, on the day of its first line.
-- Amounts may be summed only within one currency, except those in the reporting currency.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'order_date', 'public': false},
) }}
with

orders as (

    select *
    from {{ ref('fct_orders') }}
    where {{ only_touched_dates('order_date') }}

),

final as (

    select
        source_system,
        currency,
        count(*) as order_count,
        count(case when customer_id is not null and is_counted then 1 end) as known_sale_count,
        -- orders in which products were sold together
        count(case when sold_product_count > 1 then 1 end) as basket_count,
        cast(sum(line_count) as bigint) as line_count,
        cast(sum(merchandise_line_count) as bigint) as merchandise_line_count,
        cast(sum(quantity) as {{ var('sum_type') }}) as quantity,
        cast(sum(net_amount) as {{ var('sum_type') }}) as net_amount,
        cast(sum(net_sales_amount) as {{ var('sum_type') }}) as net_sales_amount,
        cast(sum(net_amount_reporting) as {{ var('sum_type') }}) as net_amount_reporting,
        cast(sum(case when customer_id is not null then net_sales_amount_reporting else 0 end) as {{ var('sum_type') }})
            as known_net_sales_amount_reporting,
        cast(sum(case when customer_id is null then net_sales_amount_reporting else 0 end) as {{ var('sum_type') }})
            as unknown_net_sales_amount_reporting,
        order_date,
        max(last_order_date) as last_order_date
    from orders
    group by order_date, source_system, currency

)

select * from final
