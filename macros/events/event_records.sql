{# The records of a staging model, or of its typed table, that are events: those with an accepted row, or with one that is
   skipped as a state. #}
{% macro event_records(model_name) -%}
    {%- set staged = read_model(model_name) -%}
    {%- set staging_model = model_name | replace('_typed', '') -%}
    {%- if not execute -%}
        {{ return('select * from ' ~ staged) }}
    {%- endif -%}
    {%- set events = events_of(staging_model) -%}
    {%- if not events -%}
        {{ exceptions.raise_compiler_error(staging_model ~ ' declares no meta.events in its YAML.') }}
    {%- endif -%}
    select
        cast('{{ staging_model[4:] | replace("__", ".", 1) }}' as {{ text_type() }}) as feed,
        {{ column_name(events.event_key) }} as event_key,
        {{ column_name(events.state_key) if events.state_key else 'cast(null as ' ~ text_type() ~ ')' }} as state_key,
        {{ state_rank(events.states) }} as state_rank,
        {{ column_name(events.event_at) }} as event_at,
        cast({{ column_name(events.order[0]) }} as {{ text_type() }}) as event_place,
        cast({{ column_name(events.order[1]) }} as integer) as event_partition,
        cast({{ column_name(events.order[2]) }} as bigint) as event_offset,
        {%- if events.window_days is none %}
        cast(null as {{ wall_clock_type() }}) as repeats_until_at,
        {%- else %}
        cast({{ later(column_name(events.event_at), events.window_days, 'day') }} as {{ wall_clock_type() }}) as repeats_until_at,
        {%- endif %}
        count(*) as row_count,
        cast(sum(quantity) as numeric(28, 4)) as quantity,
        cast(sum(net_amount) as numeric(28, 4)) as net_amount,
        _file_id,
        _row_number
    from {{ staged }}
    where {{ is_event(events) }} and {{ column_name(events.event_key) }} is not null and {{ only_new_files() }}
    {#- the rows of one record are one event; a record with several keys fails the test of the primary key #}
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, _file_id, _row_number
{%- endmacro %}

{# Whether a staged row is part of an event; one that waits for a lookup is too. #}
{% macro is_event(events) -%}
    {%- set skipped = "'" ~ events.skipped | join("', '") ~ "'" -%}
    (row_status in ('accepted', 'waiting'){{ " or row_status = 'skipped' and row_issues in (" ~ skipped ~ ')' if events.skipped }})
{%- endmacro %}

{# The place of a state in the declared order; equal for all where none is declared. #}
{% macro state_rank(states) -%}
    {%- if not states -%}
        {{ return('cast(0 as integer)') }}
    {%- endif -%}
    {%- set column, values = states.items() | first -%}
    case {{ column_name(column) }}
        {%- for value in values %} when '{{ value }}' then {{ loop.index }}{% endfor %} else 0 end
{%- endmacro %}
