{% test has_rate(model, date_column) %}

-- Raises an error with the missing rates and the remedy; failing rows would only be counted.
{%- set missing %}
select
    currency,
    min({{ date_column }}) as first_date,
    max({{ date_column }}) as last_date,
    count(distinct {{ date_column }}) as day_count,
    count(*) as line_count
from {{ model }}
where fx_rate is null
group by currency
order by currency asc nulls last
{%- endset %}
{%- if execute and is_build() -%}
    {%- set found = [] -%}
    {%- for row in run_query(missing).rows -%}
        {%- do found.append(
            row[0] ~ ' on ' ~ row[3] ~ ' day(s) from ' ~ row[1] ~ ' to ' ~ row[2] ~ ' (' ~ row[4] ~ ' sales lines)'
        ) -%}
    {%- endfor -%}
    {%- if found -%}
        {{ exceptions.raise_compiler_error(
            'No exchange rate into ' ~ var('reporting_currency') ~ ' for ' ~ found | join('; ') ~ '. '
            ~ 'A rate holds for at most ' ~ var('fx_max_carry_days') ~ ' days (fx_max_carry_days). Renew '
            ~ 'seeds/reference/exchange_rates.csv with scripts/refresh_exchange_rates.py, with --download for later days, '
            ~ 'with --currency for each currency it must contain; then build again.'
        ) }}
    {%- endif -%}
{%- endif %}
{{ missing }}

{% endtest %}
