{# Whether a build writes only what is new in it. #}
{% macro follows_ledger(node) -%}
    {{ return(node.config.materialized in ('incremental_by_ledger', 'table_when_new')) }}
{%- endmacro %}

{# Whether a model has a watermark: also a mart that is a view, so that its tests are left out when nothing is new. #}
{% macro has_watermark(node) -%}
    {{ return(follows_ledger(node) or is_view(node) and node.schema == generate_schema_name('marts', none)) }}
{%- endmacro %}

{# Whether a build replaces the rows of whole files in it. #}
{% macro is_by_file(node) -%}
    {{ return(node.config.incremental_strategy in ('by_file', 'by_event_key')) }}
{%- endmacro %}
