{% macro summarise_block_ranges(relation_names) -%}
    {{ return(adapter.dispatch('summarise_block_ranges', 'sales_warehouse')(relation_names)) }}
{%- endmacro %}

{# Rows written since the last time are read whole by every filter on _file_id until then. Only their owner may, so somebody
   else's build goes on without. #}
{% macro default__summarise_block_ranges(relation_names) -%}
    select brin_summarize_new_values(pg_index.indexrelid)
    from pg_index
    inner join pg_class on pg_index.indexrelid = pg_class.oid
    inner join pg_am on pg_class.relam = pg_am.oid
    where
        pg_am.amname = 'brin'
        and pg_has_role(pg_class.relowner, 'usage')
        and pg_index.indrelid in (
            {%- for name in relation_names %}to_regclass('{{ name }}'){{ ', ' if not loop.last }}{% endfor -%}
        )
{%- endmacro %}
