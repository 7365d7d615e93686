{# Compared as text: two digits sort as numbers do. A text that is no number remains one, so the later cast gives NULL.
   #}
{% macro full_year(two_digits) -%}
    {%- set two_digits = operand(two_digits) -%}
    {%- set pivot = var('two_digit_year_pivot') -%}
    {%- if pivot is not integer or not 0 <= pivot <= 100 -%}
        {{ exceptions.raise_compiler_error(
            'two_digit_year_pivot is a whole number from 0 to 100, not ' ~ pivot ~ ' (dbt_project.yml or --vars)'
        ) }}
    {%- elif pivot in (0, 100) -%}
        {{ return("'" ~ (20 if pivot else 19) ~ "' || " ~ two_digits) }}
    {%- endif -%}
    {{ return("case when " ~ two_digits ~ " < '" ~ '%02d' % pivot ~ "' then '20' else '19' end || " ~ two_digits) }}
{%- endmacro %}
