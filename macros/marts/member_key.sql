{# A real key always holds a colon after its source system, the unknown member's key never does: they cannot meet. #}
{% macro member_key(source_system, member_id) -%}
    coalesce({{ source_system }} || ':' || {{ member_id }}, {{ unknown_member_key() }})
{%- endmacro %}
