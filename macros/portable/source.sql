{# Overrides dbt's macro: on Spark a source is the table of the lake as the build at work sees it. #}
{% macro source(source_name, table_name) -%}
    {{ return(as_of_build(builtins.source(source_name, table_name))) }}
{%- endmacro %}

{# The relation to read for a table of the loader. #}
{% macro as_of_build(relation) -%}
    {{ return(adapter.dispatch('as_of_build', 'sales_warehouse')(relation)) }}
{%- endmacro %}

{% macro default__as_of_build(relation) -%}
    {{ return(relation) }}
{%- endmacro %}

{# A view that open_build makes, in a schema of the target. The source of a unit test is a CTE. #}
{% macro spark__as_of_build(relation) -%}
    {%- if relation.is_cte or relation.schema.startswith(generate_schema_name('', none)) -%}
        {{ return(relation) }}
    {%- endif -%}
    {{ return(relation.incorporate(path={'schema': generate_schema_name(relation.schema, none)})) }}
{%- endmacro %}

{# The name of the relation to read for a source of the graph. #}
{% macro source_relation(source) -%}
    {{ return(as_of_build(
        api.Relation.create(database=source.database, schema=source.schema, identifier=source.identifier)
    ).render() if not keeps_build_state() else source.relation_name) }}
{%- endmacro %}
