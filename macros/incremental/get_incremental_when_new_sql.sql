{# Reached only with nothing new: otherwise should_full_refresh has the relation built from nothing. #}
{% macro get_incremental_when_new_sql(arg_dict) -%}
    {%- do check_code_is_known(build_window(model)) -%}
    select 1 as nothing_new where false
{%- endmacro %}
