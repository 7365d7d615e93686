{% macro fiscal_start_month() -%}
    {%- set month = var('fiscal_year_start_month') | int -%}
    {%- if month < 1 or month > 12 -%}
        {{ exceptions.raise_compiler_error('fiscal_year_start_month is a month, 1 to 12, not ' ~ month) }}
    {%- endif -%}
    {{ return(month) }}
{%- endmacro %}
