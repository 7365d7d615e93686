{% macro calendar_days(first_day, last_day) -%}
    {{ return(adapter.dispatch('calendar_days', 'sales_warehouse')(first_day, last_day)) }}
{%- endmacro %}

{# timestamp, not date: over dates the series goes through the session's time zone #}
{% macro default__calendar_days(first_day, last_day) -%}
    select cast(days.moment as date) as date_day
    from
        generate_series(
            cast('{{ first_day }}' as timestamp), cast('{{ last_day }}' as timestamp), interval '1 day'
        ) as days (moment)
{%- endmacro %}

{% macro spark__calendar_days(first_day, last_day) -%}
    select explode(sequence(cast('{{ first_day }}' as date), cast('{{ last_day }}' as date), interval 1 day)) as date_day
{%- endmacro %}
