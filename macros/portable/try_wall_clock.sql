{% macro try_wall_clock(expression) -%}
    {{ return(adapter.dispatch('try_wall_clock', 'sales_warehouse')(operand(expression))) }}
{%- endmacro %}

{# The pattern refuses 24:00:00 and 23:59:60, which the engine would move to the next day or minute. #}
{% macro default__try_wall_clock(expression) -%}
    {#- without the zone, for texts that the pattern let pass; a second pattern would take three times as long -#}
    {%- set local_text = "replace(left(" ~ expression ~ ", case when right(" ~ expression ~ ", 1) = 'Z' then -1 else -6 end), 'T', ' ')" -%}
    case
        when
            {{ expression }}
            ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$'
            and pg_input_is_valid({{ local_text }}, 'timestamp')
            then cast({{ local_text }} as {{ wall_clock_type() }})
    end
{%- endmacro %}

{# Spark knows the year 0, PostgreSQL does not. #}
{% macro spark__try_wall_clock(expression) -%}
    {%- set pattern = '^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$' -%}
    {%- set zone_length = 'case when right(' ~ expression ~ ", 1) = 'Z' then 1 else 6 end" -%}
    case
        when {{ matches(expression, pattern) }} and {{ expression }} not like '0000%'
            then try_cast(replace(left({{ expression }}, length({{ expression }}) - {{ zone_length }}), 'T', ' ') as timestamp_ntz)
    end
{%- endmacro %}
