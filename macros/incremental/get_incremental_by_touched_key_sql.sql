{# Delete the keys that are inserted again, in the periods that only_touched_keys found, and those that had a line on a touched date and may have none left. The
   dates of the rows that differ, in the column meta.records_dates, are recorded for publications and for the models that read this one: most
   rows come out as they were, and their dates are of all of history. #}
{% macro get_incremental_by_touched_key_sql(arg_dict) -%}
    {%- set window = model.build_window -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set meta = model.config.meta -%}
    {%- set target, temp = arg_dict['target_relation'], arg_dict['temp_relation'] -%}
    {%- set is_known = in_periods(meta.date_column, window.key_periods, meta.last_date_column) if window.key_periods else 'true' -%}
    {%- set is_built_again = is_known ~ ' and ' ~ meta.key_column ~ ' in (select ' ~ meta.key_column ~ ' from ' ~ temp ~ ')' -%}
    {%- set was_touched = in_periods(meta.date_column, merged_periods(window.dates), meta.last_date_column) -%}
    {%- if meta.get('records_dates') %}
    insert into {{ build_state('touched_dates') }} (relation_name, event_id, touched_date)
    select distinct '{{ model.relation_name }}', {{ window.event_id }}, {{ meta.records_dates }}
    from (
        select {{ columns }}
        from (
            select {{ columns }}, -1 as side from {{ target }} where {{ is_built_again }}
            union all
            select {{ columns }}, -1 from {{ target }} where {{ was_touched }} and ({{ is_built_again }}) is not true
            union all
            select {{ columns }}, 1 from {{ temp }}
        ) as old_and_new
        group by {{ columns }}
        having sum(side) <> 0
    ) as changed_rows
    on conflict do nothing;
    {%- endif %}
    {{ record_gone_members(arg_dict, [is_built_again, was_touched]) }}
    delete from {{ target }}
    where {{ is_built_again }};
    delete from {{ target }}
    where {{ was_touched }};
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ temp }}
{%- endmacro %}
