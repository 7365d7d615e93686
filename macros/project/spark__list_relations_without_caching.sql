{# As dbt-spark's, and the views too: `show table extended` leaves out those of an Iceberg catalogue in Spark 4.1, so a model that
   was a view and becomes a table would fail. The adapter reads four columns of each row. #}
{% macro spark__list_relations_without_caching(relation) -%}
    {%- set found = [] -%}
    {%- call statement('list_relations_without_caching', fetch_result=True) -%}
        show table extended in {{ relation.schema }} like '*'
    {%- endcall -%}
    {%- for row in load_result('list_relations_without_caching').table -%}
        {%- do found.append((row[0], row[1], row[2], row[3])) -%}
    {%- endfor -%}
    {%- call statement('list_views', fetch_result=True) -%}
        show views in {{ relation.schema }}
    {%- endcall -%}
    {%- for row in load_result('list_views').table if row[0] -%}
        {%- do found.append((row[0], row[1], false, 'Type: VIEW\n')) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
