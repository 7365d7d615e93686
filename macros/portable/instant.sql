{# A written instant, ISO with its distance from UTC, as a literal. #}
{% macro instant(text) -%}
    {{ return(adapter.dispatch('instant', 'sales_warehouse')(text)) }}
{%- endmacro %}

{% macro default__instant(text) -%}
    cast('{{ text }}' as timestamp with time zone)
{%- endmacro %}

{% macro spark__instant(text) -%}
    cast('{{ text }}' as timestamp)
{%- endmacro %}
