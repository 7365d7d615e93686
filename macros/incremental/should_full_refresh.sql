{# dbt's own macro of that name, and one more reason to build a relation from nothing: the ledger cannot vouch for what
   is there. `dbt run --empty` empties relations of every kind. #}
{% macro should_full_refresh() -%}
    {%- set asked = config.get('full_refresh') -%}
    {%- if asked is none -%}
        {%- set asked = flags.FULL_REFRESH -%}
    {%- endif -%}
    {%- if not asked and execute and model.resource_type == 'model' and follows_ledger(model) -%}
        {%- set window = build_window(model) -%}
        {%- set is_rebuilt_anyway = model.config.incremental_strategy == 'when_new' and window.files | length > 0 -%}
        {{ return(is_empty_run() or window.is_whole or is_rebuilt_anyway) }}
    {%- endif -%}
    {{ return(asked) }}
{%- endmacro %}

{% macro is_empty_run() -%}
    {{ return(invocation_args_dict.get('empty', false) or false) }}
{%- endmacro %}
