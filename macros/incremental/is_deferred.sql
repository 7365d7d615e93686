{# Whether a build with --defer reads the relation of the other target instead of this node's. The rule is that of dbt's
   ref(), which answers only for the direct parents of a model. #}
{% macro is_deferred(node) -%}
    {%- if not execute or not is_deferring() or not node.defer_relation -%}
        {{ return(false) }}
    {%- elif invocation_args_dict.get('favor_state', false) and node.unique_id not in selected_resources -%}
        {{ return(true) }}
    {%- endif -%}
    {{ return(adapter.get_relation(node.database, node.schema, node.alias) is none) }}
{%- endmacro %}

{# `flags` in Jinja has no --defer and no --favor-state. #}
{% macro is_deferring() -%}
    {{ return(invocation_args_dict.get('defer', false) or false) }}
{%- endmacro %}

{# The relation that is read for a model: the one of the other target if it is deferred to. #}
{% macro read_relation(node) -%}
    {{ return((node.defer_relation if is_deferred(node) else node).relation_name) }}
{%- endmacro %}
