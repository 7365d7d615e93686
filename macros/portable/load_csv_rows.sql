{# dbt sends a seed as a list of VALUES that Jinja writes cell by cell: for the rates that is most of what the seed costs.
   One array a column says the same. `load_csv_rows` is dbt's, which dispatches it. #}
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
