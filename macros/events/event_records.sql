{# The records of the feeds of these staging models, or of their typed tables, that are events. A feed with meta.events or
   meta.deliveries that is not among them would count nothing, so it is an error. dbt shows no other nodes to unit tests. #}
{% macro records_of_events(models) -%}
    {%- for feed in (feeds() if execute and graph.sources else []) if feed.events -%}
        {%- set names = [graph.nodes[feed.staging_model].name, graph.nodes[feed.rows_model].name] -%}
        {%- if not models | select('in', names) | list -%}
            {{ exceptions.raise_compiler_error(
                names[0] ~ ' declares meta.events or meta.deliveries. Add ' ~ names[1] ~ ' to the list in ' ~ model.name ~ '.'
            ) }}
        {%- elif feed.is_topic and feed.events.sql -%}
            {{ exceptions.raise_compiler_error(
                names[0] ~ ' declares meta.deliveries, which is for files. Of a topic declare meta.events.'
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {%- for name in models %}
    {{ 'union all' if not loop.first }}
    {{ event_records(name) }}
    {%- endfor %}
{%- endmacro %}

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
        {{ exceptions.raise_compiler_error(staging_model ~ ' declares no meta.events and no meta.deliveries in its YAML.') }}
    {%- endif -%}
    {%- set values = events.get('sql') or values_of_events(events) -%}
    select
        cast('{{ staging_model[4:] | replace("__", ".", 1) }}' as {{ text_type() }}) as feed,
        {{ values.event_key }} as event_key,
        {{ values.state_key }} as state_key,
        {{ state_rank(events.states) }} as state_rank,
        {{ values.event_at }} as event_at,
        cast({{ values.event_place }} as {{ text_type() }}) as event_place,
        cast({{ values.event_partition }} as integer) as event_partition,
        cast({{ values.event_offset }} as bigint) as event_offset,
        {%- if events.window_days is none %}
        cast(null as {{ wall_clock_type() }}) as repeats_until_at,
        {%- else %}
        cast({{ later(values.event_at, events.window_days, 'day') }} as {{ wall_clock_type() }}) as repeats_until_at,
        {%- endif %}
        count(*) as row_count,
        cast(sum(quantity) as {{ var('sum_type') }}) as quantity,
        cast(sum(net_amount) as {{ var('sum_type') }}) as net_amount,
        _file_id,
        _row_number
    from {{ staged }}
    where {{ is_event(events) }} and {{ values.event_key }} is not null and {{ only_new_files() }}
    {#- the rows of one record are one event; a record with several keys fails the test of the primary key #}
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, _file_id, _row_number
{%- endmacro %}

{# What meta.events names, as SQL. #}
{% macro values_of_events(events) -%}
    {{ return({
        'event_key': column_name(events.event_key),
        'state_key': column_name(events.state_key) if events.state_key else 'cast(null as ' ~ text_type() ~ ')',
        'event_at': column_name(events.event_at),
        'event_place': column_name(events.order[0]),
        'event_partition': column_name(events.order[1]),
        'event_offset': column_name(events.order[2]),
    }) }}
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
