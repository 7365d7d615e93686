{# What a staging model declares about its events, from `meta.events` of its YAML, or about its deliveries (deliveries_of); none
   where it has none:

   event_key     column that is equal in all sendings of one event
   event_at      column with the time of the event, a date and time without time zone
   state_key     column with what the event is a state of, such as an order; without it nothing supersedes an event
   states        column and its values in their order, {event_type: [placed, cancelled]}: a later one supersedes an earlier one
                 whatever their times; without it the time decides
   order         columns that follow event_at in the order of events, of types text, integer and bigint; together with
                 it they are unique. Of a topic: _topic, _partition, _offset
   skipped       values of row_issues of skipped rows that are states too, such as a cancellation
   window_days   a sending of a key that is more days later than the one before it is another event; without it none is #}
{% macro events_of(staging_model) -%}
    {%- set node = graph.nodes.get('model.' ~ project_name ~ '.' ~ staging_model) -%}
    {%- set declared = (node.config.meta or {}).get('events') if node else none -%}
    {%- set deliveries = deliveries_of(node) if node else none -%}
    {%- if deliveries and not declared -%}
        {{ return(deliveries) }}
    {%- elif deliveries -%}
        {{ exceptions.raise_compiler_error(staging_model ~ ' declares meta.events and meta.deliveries: one of them.') }}
    {%- elif not declared -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set events = {
        'order': ['_topic', '_partition', '_offset'], 'state_key': none, 'states': {}, 'skipped': [], 'window_days': none,
    } -%}
    {%- set known = events.keys() | list + ['event_key', 'event_at'] -%}
    {%- for key in declared if key not in known -%}
        {{ exceptions.raise_compiler_error(
            staging_model ~ ': meta.events.' ~ key ~ ' is not known. Known are: ' ~ known | join(', ') ~ '.'
        ) }}
    {%- endfor -%}
    {%- do events.update(declared) -%}
    {%- for key in ['event_key', 'event_at'] if not events.get(key) -%}
        {{ exceptions.raise_compiler_error(staging_model ~ ': meta.events.' ~ key ~ ' is missing: name a column.') }}
    {%- endfor -%}
    {%- if events.order | length != 3 or events.states | length > 1 or events.states and not events.state_key -%}
        {{ exceptions.raise_compiler_error(
            staging_model ~ ': meta.events.order has three columns, meta.events.states one, and states need a state_key.'
        ) }}
    {%- endif -%}
    {{ return(events) }}
{%- endmacro %}
