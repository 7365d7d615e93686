{# For the rule order_date:after_delivery, whose limit is in days. The day of the arrival is that of UTC. Nowhere is it
   more than one day later than there, so with a limit of 1 no time zone is needed. #}
{% macro is_after_delivery(date_expression, delivered_at) -%}
    {{ days_between(local_date(delivered_at, "'UTC'"), date_expression) }} > {limit}
{%- endmacro %}
