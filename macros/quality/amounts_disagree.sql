{# For the rule gross_amount:disagrees, where price, quantity and amount are all delivered. What is missing or cannot be
   read has a rule of its own. The casts keep the product within 38 digits. #}
{% macro amounts_disagree(quantity, unit_price, amount) -%}
    abs(cast({{ quantity }} as numeric(18, 4)) * cast({{ unit_price }} as numeric(18, 4)) - {{ amount }}) > {limit}
{%- endmacro %}
