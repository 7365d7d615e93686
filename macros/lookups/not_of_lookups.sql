{# The rows of row_outcomes that may be sales: those of all feeds but lookups. #}
{% macro not_of_lookups() -%}
    {%- set names = feeds() | selectattr('is_lookup') | map(attribute='name') | list -%}
    {{ return("feed not in ('" ~ names | join("', '") ~ "')" if names else 'true') }}
{%- endmacro %}
