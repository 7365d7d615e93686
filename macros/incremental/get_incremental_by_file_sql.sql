{# Delete the rows of every file with an event and insert those of its files that are active. With meta.records_dates or
   meta.date_column record the dates of both. The post-hook record_build writes the watermark in the same transaction. #}
{% macro get_incremental_by_file_sql(arg_dict) -%}
    {%- set window = model.build_window -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set date_column = model.config.meta.get('records_dates') or model.config.meta.get('date_column') -%}
    {%- if date_column %}
    insert into {{ build_state('touched_dates') }} (relation_name, event_id, touched_date)
    select
        '{{ model.relation_name }}',
        {{ window.event_id }},
        {{ date_column }}
    from {{ arg_dict['target_relation'] }}
    where {{ in_list('_file_id', window.files) }}
    union
    select
        '{{ model.relation_name }}',
        {{ window.event_id }},
        {{ date_column }}
    from {{ arg_dict['temp_relation'] }}
    on conflict do nothing;
    {%- endif %}
    delete from {{ arg_dict['target_relation'] }}
    where {{ in_list('_file_id', window.files) }};
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{%- endmacro %}
