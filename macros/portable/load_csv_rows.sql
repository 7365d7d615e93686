{# Implementation for dbt's `load_csv_rows`, which is dispatched. dbt renders VALUES cell by cell in Jinja, which is
   most of the time that the seed of exchange rates takes; one array for each column needs none of it. #}
{% macro postgres__load_csv_rows(model, agate_table) %}
    {%- set arrays, bindings = [], [] -%}
    {%- for column in agate_table.column_names -%}
        {%- set inferred_type = adapter.convert_type(agate_table, loop.index0) -%}
        {%- do arrays.append('cast(%s as ' ~ model.config.column_types.get(column, inferred_type) ~ '[])') -%}
        {%- do bindings.append(agate_table.columns[column].values() | list) -%}
    {%- endfor -%}
    {%- set insert_rows -%}
        insert into {{ this.render() }} ({{ get_seed_column_quoted_csv(model, agate_table.column_names) }})
        select * from unnest({{ arrays | join(', ') }})
    {%- endset -%}
    {%- do adapter.add_query(insert_rows, bindings=bindings, abridge_sql_log=True) -%}
    {{ return(insert_rows) }}
{% endmacro %}
