{% test has_rate(model, date_column) %}

-- Raises an error with the missing rates and the command that fetches them; failing rows would only be counted.
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
{#- the script writes the currencies it is given and no others -#}
{%- set kept %}select distinct currency from {{ ref('exchange_rates') }}{% endset -%}
{%- if execute and is_build() -%}
    {%- set found, currencies = [], [var('reporting_currency')] -%}
    {%- for row in run_query(missing).rows -%}
        {%- do found.append(
            row[0] ~ ' on ' ~ row[3] ~ ' day(s) from ' ~ row[1] ~ ' to ' ~ row[2] ~ ' (' ~ row[4] ~ ' sales lines)'
        ) -%}
        {%- do currencies.append(row[0]) -%}
    {%- endfor -%}
    {%- if found -%}
        {%- for row in run_query(kept).rows -%}
            {%- do currencies.append(row[0]) -%}
        {%- endfor -%}
        {%- set fetched = currencies | select | reject('equalto', 'EUR') | unique(case_sensitive=true) | sort -%}
        {{ exceptions.raise_compiler_error(
            'No exchange rate into ' ~ var('reporting_currency') ~ ' for ' ~ found | join('; ') ~ '. '
            ~ 'A rate holds for at most ' ~ var('fx_max_carry_days') ~ ' days (fx_max_carry_days). Fetch the rates with: '
            ~ 'python scripts/refresh_exchange_rates.py --download --currency ' ~ fetched | join(' --currency ')
            ~ ' Then build again.'
        ) }}
    {%- endif -%}
{%- endif -%}
{{ missing }}

{% endtest %}
