{# Delete the keys that are inserted again, and those that had a line on a touched date and may have none left. #}
{% macro get_incremental_by_touched_key_sql(arg_dict) -%}
    {%- set window = model.build_window -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set meta = model.config.meta -%}
    delete from {{ arg_dict['target_relation'] }}
    where {{ meta.key_column }} in (select {{ meta.key_column }} from {{ arg_dict['temp_relation'] }});
    delete from {{ arg_dict['target_relation'] }}
    where {{ in_periods(meta.date_column, merged_periods(window.dates), meta.last_date_column) }};
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{%- endmacro %}
