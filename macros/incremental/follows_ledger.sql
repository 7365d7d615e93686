{# Whether a model has a watermark. #}
{% macro follows_ledger(node) -%}
    {{ return(node.config.materialized in ('incremental_by_ledger', 'table_when_new')) }}
{%- endmacro %}
