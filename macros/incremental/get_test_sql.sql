{# Override dbt's macros of these names: a test holds the lease while it runs, so that other builds see that this one is at work.
   A test that cannot be made on a sample is left out; print_schemas names it. #}
{% macro get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
    {%- do run_query('commit; ' ~ begin_transaction()) if keeps_build_state() -%}
    {%- if is_beyond_sample(model, sampled_relations()) -%}
        {%- set main_sql = 'select * from (' ~ main_sql ~ ') as left_out where false' -%}
    {%- endif -%}
    {{ return(dbt.get_test_sql(main_sql, fail_calc, warn_if, error_if, limit)) }}
{%- endmacro %}

{# A test that stores its failures drops and makes a table before get_test_sql. #}
{% macro should_store_failures() -%}
    {%- set is_stored = dbt.should_store_failures() -%}
    {%- do run_query('commit; ' ~ begin_transaction()) if is_stored and execute and is_build() and keeps_build_state() -%}
    {{ return(is_stored) }}
{%- endmacro %}

{# A unit test begins with a temporary table. #}
{% macro postgres__get_create_table_as_sql(temporary, relation, sql) -%}
    {%- do run_query('commit; ' ~ begin_transaction()) if model.resource_type == 'unit_test' -%}
    {{ return(dbt.default__get_create_table_as_sql(temporary, relation, sql)) }}
{%- endmacro %}
