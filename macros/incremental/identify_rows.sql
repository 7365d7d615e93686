{# On-run-start. Where changes are captured (wal_level logical), the server refuses deletes from a table that has neither a key
   nor a replica identity; the tables of the build before get one. A table made in this build loses no rows in it. #}
{% macro identify_rows() -%}
    {%- if not execute or not run_query("select 1 where current_setting('wal_level') = 'logical'").rows -%}
        {{ return('') }}
    {%- endif -%}
    select ledger.identify_rows(array(select to_regclass(relation_name) from {{ build_state('model_watermarks') }}))
{%- endmacro %}
