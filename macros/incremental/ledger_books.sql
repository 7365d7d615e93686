{# Two small tables of dbt's own, beside the audit models of the target: which events each build may see, and how far each
   relation has come. And one of the dates whose lines changed, for what is kept by date. #}
{% macro ledger_books(name) -%}
    {{ return(api.Relation.create(
        database=target.database, schema=generate_schema_name('audit', none), identifier=name, type='table'
    )) }}
{%- endmacro %}
