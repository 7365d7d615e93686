{# For the rule gross_amount:disagrees, where price, quantity and amount are all delivered. Missing and unreadable
   values have rules of their own. #}
{% macro amounts_disagree(quantity, unit_price, amount) -%}
    abs({{ multiply(quantity, unit_price) }} - {{ operand(amount) }}) > {limit}
{%- endmacro %}
