-- Grain: one row per order_date, source_system, product_key and currency with a line of merchandise.
-- order_count must not be summed: an order contains several products. Amounts may be summed only within one currency.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'order_date', 'public': false},
    indexes=[{'columns': ['order_date'], 'type': 'brin'}],
) }}
with

lines as (

    select * from {{ ref('fct_sales_lines') }}

),

final as (

    select
        order_date,
        source_system,
        {{ member_key('source_system', 'product_id') }} as product_key,
        currency,
        count(distinct case when line_type = 'sale' then order_id end) as order_count,
        cast(sum(case when line_type = 'sale' then quantity else 0 end) as {{ var('sum_type') }}) as sold_quantity,
        cast(sum(quantity) as {{ var('sum_type') }}) as net_quantity,
        cast(sum(case when line_type = 'sale' then net_amount else 0 end) as {{ var('sum_type') }}) as sold_amount,
        cast(sum(net_amount) as {{ var('sum_type') }}) as net_sales_amount,
        cast(sum(net_amount_reporting) as {{ var('sum_type') }}) as net_sales_amount_reporting
    from lines
    where {{ only_touched_dates('order_date') }} and is_merchandise
    -- what differs most comes first, and short: the lines of a day are sorted by these columns, to count orders
    group by order_date, product_id, source_system, currency

)

-- in the order of days, so that the block range index finds a day
select * from final
order by order_date asc nulls last
