{# How the deliveries of a feed of files become orders, from `meta.deliveries` of the YAML of its staging model; none where it has
   none, which is the kind `events`: each line is delivered once.

   kind         restated_periods: the newest delivery of a period replaces it; changing_orders: the latest state of a key counts
   period       of restated_periods: day, week or month of order_date
   by           of restated_periods: columns beside the period, such as the store, where each sends files of its own
   key          of changing_orders: columns that name what has states, such as an order or a line of it
   changed_at   of changing_orders: column with the time of the state, a date and time without time zone; without it, and between
                equal times, the delivery decides

   The model has the column delivery_key from the ledger: the greatest is the newest. With keys that do not sort by time it has
   period_end_date too. Nothing depends on arrival.

   It becomes what events_of returns, with `sql`, an expression for each column of the records. Each row is an event of its own, so
   none is repeated; all rows of a state have the same place, so they count together. #}
{% macro deliveries_of(node) -%}
    {%- set declared = (node.config.meta or {}).get('deliveries') -%}
    {%- if not declared -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set keys = {'restated_periods': ['period', 'by'], 'changing_orders': ['key', 'changed_at']} -%}
    {%- if declared.get('kind') not in keys -%}
        {{ exceptions.raise_compiler_error(
            node.name ~ ': meta.deliveries.kind is restated_periods or changing_orders. Without meta.deliveries each line counts, '
            ~ 'in whichever file it is.'
        ) }}
    {%- endif -%}
    {%- set known = keys[declared.kind] -%}
    {%- for name in declared if name not in known + ['kind'] -%}
        {{ exceptions.raise_compiler_error(
            node.name ~ ': meta.deliveries.' ~ name ~ ' is not known. Known for ' ~ declared.kind ~ ' are: ' ~ known | join(', ') ~ '.'
        ) }}
    {%- endfor -%}
    {%- set columns = declared.get('by') or declared.get('key') or [] -%}
    {%- if columns is string or declared.kind == 'changing_orders' and not columns -%}
        {{ exceptions.raise_compiler_error(node.name ~ ': meta.deliveries needs a list of columns in key, or in by.') }}
    {%- endif -%}
    {%- set listed = (node.columns.keys() | list or (node.config.meta or {}).get('staged_columns', [])) -%}
    {%- for name in columns + [declared.get('changed_at')] | select | list + ['delivery_key'] if name not in listed -%}
        {{ exceptions.raise_compiler_error(
            node.name ~ ': meta.deliveries needs the column ' ~ name ~ ', which the model does not have'
            ~ (": add {'name': 'delivery_key', 'of_file': true}." if name == 'delivery_key' else '.')
        ) }}
    {%- endfor -%}
    {%- set first = restated_period(node, declared.get('period')) if declared.kind == 'restated_periods' else none -%}
    {{ return({
        'event_key': none, 'event_at': none, 'states': {}, 'window_days': none, 'state_key': none,
        'skipped': (node.config.meta or {}).get('codes_skipped', []) | reject('in', ['row:blank', 'row:repeated_header']) | list,
        'kind': declared.kind,
        'sql': {
            'event_key': row_place(),
            'state_key': key_of_values(columns, first),
            'event_at': column_name(declared.changed_at) if declared.get('changed_at')
                else 'cast(null as ' ~ wall_clock_type() ~ ')',
            'event_place': period_of_delivery(listed) ~ "coalesce(delivery_key, '')",
            'event_partition': '0',
            'event_offset': '0',
        },
    }) }}
{%- endmacro %}

{# The last day that a file is about, in front of its delivery key, where the model has it from the ledger. #}
{% macro period_of_delivery(listed) -%}
    {{ return("coalesce(cast(period_end_date as " ~ text_type() ~ "), '') || ' ' || " if 'period_end_date' in listed else '') }}
{%- endmacro %}

{# The first day of the period of a row. #}
{% macro restated_period(node, period) -%}
    {%- set periods = {
        'day': 'order_date',
        'week': 'order_date + (1 - ' ~ date_part_number('iso_day_of_week', 'order_date') ~ ')',
        'month': 'order_date + (1 - ' ~ date_part_number('day', 'order_date') ~ ')',
    } -%}
    {%- if period not in periods -%}
        {{ exceptions.raise_compiler_error(node.name ~ ': meta.deliveries.period is day, week or month.') }}
    {%- endif -%}
    {{ return('cast(' ~ periods[period] ~ ' as date)') }}
{%- endmacro %}
