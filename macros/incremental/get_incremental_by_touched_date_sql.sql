{# Delete and insert the rows of the touched dates, or with meta.period month of their whole months. #}
{% macro get_incremental_by_touched_date_sql(arg_dict) -%}
    {%- set window = model.build_window -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ arg_dict['target_relation'] }}
    where {{ in_dates(model.config.meta.date_column, window.dates, model.config.meta.get('period', 'day')) }};
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{%- endmacro %}
