-- Grain: one row per order_date, source_system, country and currency that has a sales line.
-- order_count must not be summed: an order with lines on two days or in two countries counts in both.
-- Amounts may be summed only within one currency, except those that end in _reporting.
-- depends_on: {{ ref('agg_sales_daily') }}
-- depends_on: {{ ref('live_order_lines') }}
{{ config(alias='agg_sales_daily', pre_hook="{{ show_latest('agg_sales_daily') }}") }}
{% set columns = columns_of('agg_sales_daily') | join(', ') %}

with

touched_days as (

    {{ touched_days() }}

),

-- empty unless there was a publication since the last fill
computed as (

    {{ sql_of('agg_sales_daily', {
        'fct_sales_lines': '(select * from live.order_lines where not ' ~ is_filled()
        ~ ' and order_date = any(array(select order_date from touched_days))) as order_lines'
    }) }}

)

select
    {{ columns }},
    {{ is_latest_shown() }} as is_audited,
    {{ live_as_of() }} as as_of
from {{ latest('agg_sales_daily') }}
where order_date not in (select touched_days.order_date from touched_days)

union all

select
    {{ columns }},
    false as is_audited,
    {{ live_as_of() }} as as_of
from {{ ref('live_daily') }}
where {{ is_filled() }} and order_date in (select touched_days.order_date from touched_days)

union all

select
    {{ columns }},
    false as is_audited,
    {{ live_as_of() }} as as_of
from computed
