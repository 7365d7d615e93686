{% macro days_between(first_date, last_date) -%}
    {{ return(adapter.dispatch('days_between', 'sales_warehouse')(operand(first_date), operand(last_date))) }}
{%- endmacro %}

{% macro default__days_between(first_date, last_date) -%}
    cast({{ dbt.datediff(first_date, last_date, 'day') }} as integer)
{%- endmacro %}

{% macro spark__days_between(first_date, last_date) -%}
    datediff({{ last_date }}, {{ first_date }})
{%- endmacro %}
