{# dbt's own macro of that name, and one more reason to build a relation from nothing: the books cannot vouch for what
   is there. `dbt run --empty` empties relations of every kind. #}
{% macro should_full_refresh() -%}
    {%- set asked = config.get('full_refresh') -%}
    {%- if asked is none -%}
        {%- set asked = flags.FULL_REFRESH -%}
    {%- endif -%}
    {%- if not asked and execute and model.resource_type == 'model' and follows_ledger(model) -%}
        {{ return(is_empty_run() or build_window(model).is_whole) }}
    {%- endif -%}
    {{ return(asked) }}
{%- endmacro %}

{% macro is_empty_run() -%}
    {{ return(invocation_args_dict.get('empty', false) or false) }}
{%- endmacro %}
