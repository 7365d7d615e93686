{# The one place where it is decided which events count. The relation has a row for each record of an event.
   repeated: the same event was sent before. superseded: of those that are not repeated, another is a later state.
   First and last are by the time of the event and its place in the source, never by arrival. Records of the same place are one
   state, and count together: the lines of an order in one file.
   `known_repeat`, of an incremental build and of live.fill(), is SQL for records whose other sendings are not in the relation:
   whether the record is repeated, or NULL where they are. #}
{% macro decide_events(relation, known_repeat='null') -%}
    {%- if model.is_undecided -%}
        {{ return('select *, cast(null as ' ~ text_type() ~ ') as decision from ' ~ relation) }}
    {%- endif -%}
    select
        *,
        case
            when is_repeated then 'repeated'
            when state_key is not null and place_from_last > 1 then 'superseded'
            else 'counted'
        end as decision
    from (
        select
            *,
            dense_rank() over (
                partition by feed, state_key, is_repeated
                order by
                    state_rank desc nulls last, event_at desc nulls last, event_place desc nulls last,
                    event_partition desc nulls last, event_offset desc nulls last
            ) as place_from_last
        from (
            select
                *,
                coalesce(
                    {{ known_repeat }},
                    sending_number > 1 and coalesce(event_at <= repeats_until_before_at, true)
                ) as is_repeated
            from (
                select
                    *,
                    row_number() over (
                        partition by feed, event_key
                        order by
                            event_at asc nulls first, event_place asc nulls first, event_partition asc nulls first,
                            event_offset asc nulls first
                    ) as sending_number,
                    lag(repeats_until_at) over (
                        partition by feed, event_key
                        order by
                            event_at asc nulls first, event_place asc nulls first, event_partition asc nulls first,
                            event_offset asc nulls first
                    ) as repeats_until_before_at
                from {{ relation }}
            ) as numbered
        ) as compared
    ) as placed
{%- endmacro %}
