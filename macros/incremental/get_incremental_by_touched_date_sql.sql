{# Delete and insert the rows of the touched dates, or with meta.period month of their whole months. The dates are recorded for
   the models that read this one. #}
{% macro get_incremental_by_touched_date_sql(arg_dict) -%}
    {%- set window = model.build_window -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set meta = model.config.meta -%}
    {%- set gone = in_dates(meta.date_column, window.dates, meta.get('period', 'day')) %}
    insert into {{ build_state('touched_dates') }} (relation_name, event_id, touched_date)
    values
        {%- for date in window.dates %}
        ('{{ model.relation_name }}', {{ window.event_id }}, cast('{{ date }}' as date)){{ ',' if not loop.last }}
        {%- endfor %}
    on conflict do nothing;
    {{ record_gone_members(arg_dict, [gone]) }}
    delete from {{ arg_dict['target_relation'] }}
    where {{ gone }};
    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict['temp_relation'] }}
{%- endmacro %}
