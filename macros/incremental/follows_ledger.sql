{% macro follows_ledger(node) -%}
    {{ return(
        node.config.materialized == 'incremental'
        and node.config.incremental_strategy in ('by_file', 'by_touched_date', 'by_touched_key', 'when_new')
    ) }}
{%- endmacro %}
