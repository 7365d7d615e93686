-- Grain: one row per accepted sales line: those of the latest publication, and those that came since.
-- unit_price and fx_rate must not be summed; amounts only within one currency, except net_amount_reporting.
-- depends_on: {{ ref('fct_sales_lines') }}
-- depends_on: {{ ref('live_decided_records') }}
{{ config(alias='order_lines', pre_hook="{{ show_latest('fct_sales_lines') }}") }}
{% set columns = columns_of('fct_sales_lines') | join(', ') %}

select
    {{ columns }},
    {{ is_latest_shown() }} as is_audited,
    {{ live_as_of() }} as as_of
from {{ latest('fct_sales_lines') }} as published
where {{ still_counts('published') }}

union all

select
    {{ columns }},
    false as is_audited,
    {{ live_as_of() }} as as_of
-- dbt gives a relation a name of its own with --empty
from (select * from {{ ref('live_lines') }}) as lines
where {{ counts_now('lines') }}
