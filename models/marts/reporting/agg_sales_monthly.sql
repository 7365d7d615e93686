-- Grain: one row per month_start_date, source_system, country and currency that has a sales line.
-- order_count must not be summed: an order with lines in two months or countries counts in both.
-- Amounts may be summed only within one currency, except those that end in _reporting.
-- cost_amount leaves out lines without a known cost.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'month_start_date', 'period': 'month'},
) }}
with

lines as (

    select * from {{ ref('fct_sales_lines') }}

),

days as (

    select * from {{ ref('dim_date') }}

),

final as (

    select
        days.month_start_date,
        lines.source_system,
        -- part of the key, so never NULL
        coalesce(lines.country, 'unknown') as country,
        lines.currency,
        count(*) as line_count,
        count(distinct lines.order_id) as order_count,
        cast(sum(lines.quantity) as numeric(28, 4)) as quantity,
        cast(sum(lines.gross_amount) as numeric(28, 4)) as gross_amount,
        cast(sum(lines.discount_amount) as numeric(28, 4)) as discount_amount,
        cast(sum(lines.net_amount) as numeric(28, 4)) as net_amount,
        cast(sum(case when lines.line_type = 'sale' then lines.net_amount else 0 end) as numeric(28, 4)) as sale_amount,
        cast(sum(case when lines.line_type = 'return' then lines.net_amount else 0 end) as numeric(28, 4))
            as return_amount,
        cast(sum(case when lines.line_type = 'cancellation' then lines.net_amount else 0 end) as numeric(28, 4))
            as cancellation_amount,
        cast(sum(case when lines.line_type = 'fee' then lines.net_amount else 0 end) as numeric(28, 4)) as fee_amount,
        cast(sum(case when lines.line_type = 'adjustment' then lines.net_amount else 0 end) as numeric(28, 4))
            as adjustment_amount,
        cast(sum(lines.cost_amount) as numeric(28, 4)) as cost_amount,
        cast(sum(case when lines.is_merchandise then lines.net_amount else 0 end) as numeric(28, 4))
            as net_sales_amount,
        cast(sum(lines.net_amount_reporting) as numeric(28, 4)) as net_amount_reporting,
        cast(sum(case when lines.is_merchandise then lines.net_amount_reporting else 0 end) as numeric(28, 4))
            as net_sales_amount_reporting
    from lines
    -- always matches: a line dated outside the calendar is quarantined, and the relationship is tested
    inner join days
        on lines.order_date = days.date_day
    where {{ only_touched_dates('lines.order_date', 'month') }}
    group by days.month_start_date, lines.source_system, coalesce(lines.country, 'unknown'), lines.currency

)

select * from final
