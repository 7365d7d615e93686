{# Fixtures of unit tests that are SQL name types of PostgreSQL; dbt renders no macro in them. #}
{% macro spark__get_create_table_as_sql(temporary, relation, sql) -%}
    {{ return(dbt.default__get_create_table_as_sql(temporary, relation, with_spark_types(sql))) }}
{%- endmacro %}

{% macro spark__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
    {{ return(dbt.default__get_unit_test_sql(with_spark_types(main_sql), with_spark_types(expected_fixture_sql), expected_column_names)) }}
{%- endmacro %}

{% macro with_spark_types(sql) -%}
    {{ return(sql | replace('timestamp with time zone', 'timestamp') | replace(' as text)', ' as string)') if model.resource_type == 'unit_test' else sql) }}
{%- endmacro %}

{# As dbt-spark's, but of a table of the lake the columns that models see: a fixture has those. #}
{% macro spark__get_columns_in_relation_raw(relation) -%}
    {{ return(run_query('describe extended ' ~ as_of_build(relation))) }}
{%- endmacro %}
