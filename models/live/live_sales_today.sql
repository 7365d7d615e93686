-- Grain: one row per source_system, country and currency that has a sales line of today, by the reader's clock.
-- order_count and customer_count must not be summed: an order or a customer in two countries counts in both.
-- Amounts may be summed only within one currency, except those that end in _reporting.
-- depends_on: {{ ref('agg_sales_daily') }}
-- depends_on: {{ ref('live_order_lines') }}
{{ config(alias='sales_today') }}
{% set columns = columns_of('agg_sales_daily') | join(', ') %}
{% set of_days = 'days.' ~ columns_of('agg_sales_daily') | join(', days.') %}
{% set is_there = is_filled() ~ ' and exists (select 1 from live.days where days.order_date = current_date)' %}
{% set lines = '(select * from live.order_lines where order_date = current_date and not (' ~ is_there ~ ')) as lines' %}

with

touched_days as (

    {{ touched_days() }}

),

days as (

    {{ sql_of('agg_sales_daily', {'fct_sales_lines': lines}) }}

),

customers as (

    select
        source_system,
        coalesce(country, 'unknown') as country,
        currency,
        count(distinct case when customer_id is not null then customer_key end) as customer_count
    from {{ lines }}
    group by source_system, coalesce(country, 'unknown'), currency

)

select
    {{ columns }},
    customer_count,
    {{ is_latest_shown() }} and current_date not in (select touched_days.order_date from touched_days) as is_audited,
    {{ live_as_of() }} as as_of
from {{ ref('live_daily') }}
where {{ is_there }} and order_date = current_date

union all

select
    {{ of_days }},
    customers.customer_count,
    {{ is_latest_shown() }} and current_date not in (select touched_days.order_date from touched_days) as is_audited,
    {{ live_as_of() }} as as_of
from days
inner join customers
    on
        days.source_system = customers.source_system
        and days.country = customers.country
        and days.currency = customers.currency
