{# For a table of events with a decision for each (decide_events). The temporary relation has the records of the files with an
   event. Other records are decided again where they are sendings of an event, or states of a key, that came or went: found by
   their keys, so that the cost follows what is new. The files of those with another decision are recorded as touched:
   their rows have another outcome, and models that follow files build them again. #}
{% macro get_incremental_by_event_key_sql(arg_dict) -%}
    {%- set window = model.build_window -%}
    {%- set names = arg_dict['dest_columns'] | map(attribute='name') -%}
    {%- set columns = get_quoted_csv(names) -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set came = arg_dict['temp_relation'] -%}
    {%- set gone = 'select * from ' ~ target ~ ' where ' ~ in_list('_file_id', window.files) -%}
    {%- set is_other = 'not ' ~ in_list('others._file_id', window.files) -%}
    analyze {{ came }};
    create temporary table changed_events on commit drop as
    select feed, event_key from {{ came }}
    union
    select feed, event_key from ({{ gone }}) as gone;
    analyze changed_events;
    create temporary table changed_states on commit drop as
    select feed, state_key from {{ came }} where state_key is not null
    union
    select feed, state_key from ({{ gone }}) as gone where state_key is not null
    union
    select others.feed, others.state_key
    from {{ target }} as others
    inner join changed_events on others.feed = changed_events.feed and others.event_key = changed_events.event_key
    where {{ is_other }} and others.state_key is not null;
    analyze changed_states;
    create temporary table changed_records on commit drop as
    select {{ columns }}, false as is_other, cast(null as boolean) as known_repeat
    from {{ came }}
    union all
    {#- the other sendings of an unchanged event are not here, so its record stays repeated, or not #}
    select {{ columns }}, true as is_other, decision = 'repeated' as known_repeat
    from {{ target }} as others
    where {{ is_other }}
        and (feed, state_key) in (select feed, state_key from changed_states)
        and not exists (
            select 1 from changed_events
            where changed_events.feed = others.feed and changed_events.event_key = others.event_key
        )
    union all
    select {{ columns }}, true as is_other, null as known_repeat
    from {{ target }} as others
    where {{ is_other }} and (feed, event_key) in (select feed, event_key from changed_events);
    alter table changed_records rename column decision to decision_before;
    create temporary table decided_records on commit drop as
    {{ decide_events('changed_records', known_repeat='known_repeat') }};
    insert into {{ build_state('touched_files') }} (relation_name, event_id, file_id)
    select distinct '{{ model.relation_name }}', {{ window.event_id }}, _file_id
    from decided_records
    where is_other and decision <> decision_before
    on conflict do nothing;
    delete from {{ target }}
    where {{ in_list('_file_id', window.files) }};
    update {{ target }} as others
    set decision = decided_records.decision
    from decided_records
    where decided_records.is_other and decided_records.decision <> decided_records.decision_before
        and others._file_id = decided_records._file_id and others._row_number = decided_records._row_number;
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from decided_records
    where not is_other;
    drop table changed_events, changed_states, changed_records, decided_records
{%- endmacro %}
