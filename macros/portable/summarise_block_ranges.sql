{% macro summarise_block_ranges(relation_names) -%}
    {{ return(adapter.dispatch('summarise_block_ranges', 'sales_warehouse')(relation_names)) }}
{%- endmacro %}

{# Rows written since the last time are read whole by every filter on _file_id until then. Only their owner may, so somebody
   else's build goes on without; names are compared, as to_regclass asks for rights on the schema. #}
{% macro default__summarise_block_ranges(relation_names) -%}
    select brin_summarize_new_values(pg_index.indexrelid)
    from pg_index
    inner join pg_class on pg_index.indexrelid = pg_class.oid
    inner join pg_am on pg_class.relam = pg_am.oid
    inner join pg_class as summarised on pg_index.indrelid = summarised.oid
    inner join pg_namespace on summarised.relnamespace = pg_namespace.oid
    where
        pg_am.amname = 'brin'
        and pg_has_role(pg_class.relowner, 'usage')
        and current_database() || '.' || pg_namespace.nspname || '.' || summarised.relname in (
            {%- for name in relation_names %}'{{ name | string | replace('"', '') }}'{{ ', ' if not loop.last }}{% endfor -%}
        )
{%- endmacro %}
