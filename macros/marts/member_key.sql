{# The key of a real member has a colon after its source system, that of the unknown member has none: they cannot be
   equal. #}
{% macro member_key(source_system, member_id) -%}
    coalesce({{ operand(source_system) }} || ':' || {{ operand(member_id) }}, {{ unknown_member_key() }})
{%- endmacro %}
