{% macro date_part_number(part, expression) -%}
    {{ return(adapter.dispatch('date_part_number', 'sales_warehouse')(part, operand(expression))) }}
{%- endmacro %}

{# iso_day_of_week: Monday 1 to Sunday 7 on every engine; the engines' own day numbers differ #}
{% macro default__date_part_number(part, expression) -%}
    {{ return(extract_number(part, expression, {
        'year': 'year',
        'quarter': 'quarter',
        'month': 'month',
        'day': 'day',
        'iso_year': 'isoyear',
        'iso_week': 'week',
        'iso_day_of_week': 'isodow',
    })) }}
{%- endmacro %}

{% macro spark__date_part_number(part, expression) -%}
    {{ return(extract_number(part, expression, {
        'year': 'year',
        'quarter': 'quarter',
        'month': 'month',
        'day': 'day',
        'iso_year': 'yearofweek',
        'iso_week': 'week',
        'iso_day_of_week': 'dayofweek_iso',
    })) }}
{%- endmacro %}

{# The part by the name that the engine has for it. #}
{% macro extract_number(part, expression, fields) -%}
    {%- if part not in fields -%}
        {%- set known = fields.keys() | join(', ') -%}
        {{ exceptions.raise_compiler_error('date_part_number: ' ~ part ~ ' is none of ' ~ known) }}
    {%- endif -%}
    cast(extract({{ fields[part] }} from {{ expression }}) as integer)
{%- endmacro %}
