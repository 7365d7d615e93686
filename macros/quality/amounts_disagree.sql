{# For the rule gross_amount:disagrees, where price, quantity and amount are all delivered. Missing and unreadable
   values have rules of their own. The casts keep the product within 38 digits. #}
{% macro amounts_disagree(quantity, unit_price, amount) -%}
    abs(
        cast({{ operand(quantity) }} as numeric(18, 4)) * cast({{ operand(unit_price) }} as numeric(18, 4))
        - {{ operand(amount) }}
    ) > {limit}
{%- endmacro %}
