{# Whether a build with --defer reads another target's relation in place of this node's: dbt's own rule for ref(), which
   cannot be asked about relations further up. #}
{% macro is_deferred(node) -%}
    {%- if not execute or not is_deferring() or not node.defer_relation -%}
        {{ return(false) }}
    {%- elif invocation_args_dict.get('favor_state', false) and node.unique_id not in selected_resources -%}
        {{ return(true) }}
    {%- endif -%}
    {{ return(adapter.get_relation(node.database, node.schema, node.alias) is none) }}
{%- endmacro %}

{# The flags object of Jinja has neither. #}
{% macro is_deferring() -%}
    {{ return(invocation_args_dict.get('defer', false) or false) }}
{%- endmacro %}
