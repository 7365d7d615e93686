{# Override dbt's macros of these names: a test holds the lease while it runs, so that other builds see that this one is at work.
   A test that cannot be made on a sample is left out; print_schemas names it. #}
{% macro get_test_sql(main_sql, fail_calc, warn_if, error_if, limit) -%}
    {%- do run_query('commit; ' ~ begin_transaction()) -%}
    {%- if is_beyond_sample(model, sampled_relations()) -%}
        {%- set main_sql = 'select * from (' ~ main_sql ~ ') as left_out where false' -%}
    {%- endif -%}
    {{ return(dbt.get_test_sql(main_sql, fail_calc, warn_if, error_if, limit)) }}
{%- endmacro %}

{# No new transaction: behind a connection pooler the temporary table of the unit test is lost with this one. #}
{% macro get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
    {%- do run_query("select ledger.hold_build_lease('" ~ invocation_id ~ "')") if needs_lease() -%}
    {{ return(dbt.get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names)) }}
{%- endmacro %}
