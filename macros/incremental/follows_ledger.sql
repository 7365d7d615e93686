{# Whether a model has a watermark. #}
{% macro follows_ledger(node) -%}
    {{ return(node.config.materialized in ('incremental_by_ledger', 'table_when_new')) }}
{%- endmacro %}

{# Whether a build replaces the rows of whole files in it. #}
{% macro is_by_file(node) -%}
    {{ return(node.config.incremental_strategy in ('by_file', 'by_event_key', 'by_lookup_key')) }}
{%- endmacro %}
