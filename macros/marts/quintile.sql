{# In whole numbers, so that no rounding decides about a class. #}
{% macro quintile(ranking, member_count) -%}
    case
        when 5 * ({{ ranking }} - 1) < {{ member_count }} then 1
        when 5 * ({{ ranking }} - 1) < 2 * {{ member_count }} then 2
        when 5 * ({{ ranking }} - 1) < 3 * {{ member_count }} then 3
        when 5 * ({{ ranking }} - 1) < 4 * {{ member_count }} then 4
        else 5
    end
{%- endmacro %}
