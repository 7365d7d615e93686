-- Grain: one row per order_date, store and currency with a sales line of the store. Lines without a store are left out.
-- order_count must not be summed: an order with lines on two days counts in both. Amounts may be summed only within one
-- currency, except those that end in _reporting.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'order_date'},
) }}
with

lines as (

    select *
    from {{ ref('fct_sales_lines') }}
    where {{ only_touched_dates('order_date') }} and store_id is not null

),

final as (

    select
        order_date,
        source_system,
        store_key,
        store_id,
        currency,
        count(*) as line_count,
        count(distinct order_id) as order_count,
        cast(sum(quantity) as {{ var('sum_type') }}) as quantity,
        cast(sum(discount_amount) as {{ var('sum_type') }}) as discount_amount,
        cast(sum(net_amount) as {{ var('sum_type') }}) as net_amount,
        cast(sum(tax_amount) as {{ var('sum_type') }}) as tax_amount,
        cast(sum(shipping_amount) as {{ var('sum_type') }}) as shipping_amount,
        cast(sum(case when is_merchandise then net_amount else 0 end) as {{ var('sum_type') }}) as net_sales_amount,
        cast(sum(net_amount_reporting) as {{ var('sum_type') }}) as net_amount_reporting,
        cast(sum(case when is_merchandise then net_amount_reporting else 0 end) as {{ var('sum_type') }})
            as net_sales_amount_reporting
    from lines
    group by order_date, source_system, store_key, store_id, currency

)

select * from final
