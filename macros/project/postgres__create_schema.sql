{# As dbt's, but in a transaction of ours: dbt makes missing schemas before the first hook, and a database or login with
   default_transaction_read_only lets nothing be created. #}
{% macro postgres__create_schema(relation) -%}
    {%- call statement('create_schema') -%}
        commit;
        {{ begin_transaction(holds_lease=false) }}
        create schema if not exists {{ relation.without_identifier().include(database=false) }}
    {%- endcall -%}
{%- endmacro %}
