{# For the rule currency:unknown, whose limit is the list of currencies. A missing one is currency:missing. #}
{% macro is_unknown_currency(currency) -%}
    {{ operand(currency) }} not in ({limit})
{%- endmacro %}
