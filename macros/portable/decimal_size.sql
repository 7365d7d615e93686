{# Precision and scale of a type among the variables: decimal_size('amount_type') is [18, 6]. #}
{% macro decimal_size(name) -%}
    {{ return(modules.re.findall('[0-9]+', var(name)) | map('int') | list) }}
{%- endmacro %}
