{% macro summarise_block_ranges(relation_names) -%}
    {{ return(adapter.dispatch('summarise_block_ranges', 'sales_warehouse')(relation_names)) }}
{%- endmacro %}

{# Bring the block range indexes of these relations up to date: rows since the last time are read whole by every filter
   on _file_id. Only the owner may do so; the build of another login goes on without. Names are compared because
   to_regclass requires rights on the schema. #}
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
