{% macro instant_at(date_expression, time_expression, time_zone) -%}
    {{ return(adapter.dispatch('instant_at', 'sales_warehouse')(operand(date_expression), operand(time_expression), time_zone)) }}
{%- endmacro %}

{# A time that the clock skips in spring is read an hour later, one that it shows twice in autumn is the second: what it is by
   standard time. #}
{% macro default__instant_at(date_expression, time_expression, time_zone) -%}
    (({{ date_expression }} + cast({{ time_expression }} as time)) at time zone {{ time_zone }})
{%- endmacro %}

{# Of a time that the clock shows twice Spark takes the first; the second is half an hour or an hour later. #}
{% macro spark__instant_at(date_expression, time_expression, time_zone) -%}
    {%- set clock = 'cast(cast(' ~ date_expression ~ " as string) || ' ' || " ~ time_expression ~ ' as timestamp)' -%}
    {%- set first = 'to_utc_timestamp(' ~ clock ~ ', ' ~ time_zone ~ ')' -%}
    case
        {%- for minutes in (60, 30) %}
        when from_utc_timestamp(timestampadd(minute, {{ minutes }}, {{ first }}), {{ time_zone }}) = {{ clock }}
            then timestampadd(minute, {{ minutes }}, {{ first }})
        {%- endfor %}
        else {{ first }}
    end
{%- endmacro %}
