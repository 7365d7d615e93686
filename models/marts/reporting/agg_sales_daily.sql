-- Grain: one row per order_date, source_system, country and currency that has a sales line.
-- order_count must not be summed: an order with lines on two days or in two countries counts in both.
-- Amounts may be summed only within one currency, except those that end in _reporting.
-- cost_amount leaves out lines without a known cost.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'order_date'},
) }}
with

lines as (

    select * from {{ ref('fct_sales_lines') }}

),

-- The fact is read a second time: to count distinct orders beside the sums would sort all lines.
orders as (

    select distinct
        order_date,
        source_system,
        coalesce(country, 'unknown') as country,
        currency,
        order_id
    from {{ ref('fct_sales_lines') }}
    where {{ only_touched_dates('order_date') }} and order_id is not null

),

order_counts as (

    select
        order_date,
        source_system,
        country,
        currency,
        count(*) as order_count
    from orders
    group by order_date, source_system, country, currency

),

sums as (

    select
        order_date,
        source_system,
        -- part of the key, so never NULL
        coalesce(country, 'unknown') as country,
        currency,
        count(*) as line_count,
        cast(sum(quantity) as {{ var('sum_type') }}) as quantity,
        cast(sum(gross_amount) as {{ var('sum_type') }}) as gross_amount,
        cast(sum(discount_amount) as {{ var('sum_type') }}) as discount_amount,
        cast(sum(net_amount) as {{ var('sum_type') }}) as net_amount,
        cast(sum(case when line_type = 'sale' then net_amount else 0 end) as {{ var('sum_type') }}) as sale_amount,
        cast(sum(case when line_type = 'return' then net_amount else 0 end) as {{ var('sum_type') }}) as return_amount,
        cast(sum(case when line_type = 'cancellation' then net_amount else 0 end) as {{ var('sum_type') }})
            as cancellation_amount,
        cast(sum(case when line_type = 'fee' then net_amount else 0 end) as {{ var('sum_type') }}) as fee_amount,
        cast(sum(case when line_type = 'adjustment' then net_amount else 0 end) as {{ var('sum_type') }})
            as adjustment_amount,
        cast(coalesce(sum(net_amount) filter (where line_type = 'tip'), 0) as {{ var('sum_type') }}) as tip_amount,
        cast(coalesce(sum(net_amount) filter (where line_type = 'deposit'), 0) as {{ var('sum_type') }})
            as deposit_amount,
        cast(coalesce(sum(net_amount) filter (where line_type = 'voucher_sale'), 0) as {{ var('sum_type') }})
            as voucher_sale_amount,
        cast(sum(cost_amount) as {{ var('sum_type') }}) as cost_amount,
        cast(sum(case when is_merchandise then net_amount else 0 end) as {{ var('sum_type') }}) as net_sales_amount,
        cast(sum(net_amount_reporting) as {{ var('sum_type') }}) as net_amount_reporting,
        cast(sum(case when is_merchandise then net_amount_reporting else 0 end) as {{ var('sum_type') }})
            as net_sales_amount_reporting
    from lines
    where {{ only_touched_dates('order_date') }}
    group by order_date, source_system, coalesce(country, 'unknown'), currency

),

final as (

    select
        sums.*,
        coalesce(order_counts.order_count, 0) as order_count
    from sums
    -- no match where no line of the row has an order
    left join order_counts
        on
            sums.order_date = order_counts.order_date
            and sums.source_system = order_counts.source_system
            and sums.country = order_counts.country
            and sums.currency = order_counts.currency

)

select * from final
