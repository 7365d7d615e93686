{% macro wall_clock_type() -%}
    {{ return(adapter.dispatch('wall_clock_type', 'sales_warehouse')()) }}
{%- endmacro %}

{% macro default__wall_clock_type() -%}
    timestamp without time zone
{%- endmacro %}

{% macro spark__wall_clock_type() -%}
    timestamp_ntz
{%- endmacro %}
