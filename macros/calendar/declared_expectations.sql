{# One row per feed that declares `expected`, and no row when none does or while dbt parses: the graph is complete only
   when models are compiled. #}
{% macro declared_expectations() -%}
    {%- set weekdays = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] -%}
    {%- set minutes_of = {'m': 1, 'h': 60, 'd': 1440} -%}
    {%- set found = [] -%}
    {%- for feed in feeds() if (feed.source.external.options or {}).get('expected') -%}
        {%- set expected = feed.source.external.options.expected -%}
        {%- set every = expected.every -%}
        {%- set named = {'day': weekdays, 'weekdays': weekdays[:5], 'month': []}[every] if every is string else every -%}
        {%- set days = [] -%}
        {%- for weekday in weekdays if weekday in named -%}
            {%- do days.append(weekdays.index(weekday) + 1) -%}
        {%- endfor -%}
        {%- set grace = expected.get('grace', '0m') -%}
        {%- do found.append({
            'feed': feed.name,
            'iso_days_of_week': days | join,
            'per_part': expected.get('per'),
            'due_time': expected.get('by'),
            'time_zone': expected.get('time_zone', 'UTC'),
            'holiday_country': expected.get('holidays'),
            'days_after': expected.get('days_after', 1),
            'grace_minutes': (grace[:-1] | int) * minutes_of[grace[-1]],
            'first_date': expected.get('from'),
            'last_date': expected.get('until'),
        }) -%}
    {%- endfor -%}
    {%- set none_found = {
        'feed': '', 'iso_days_of_week': '', 'time_zone': 'UTC', 'days_after': 1, 'grace_minutes': 0
    } -%}
    {%- for one in found or [none_found] %}
    {{ 'union all' if not loop.first }}
    select
        {%- for name in ['feed', 'iso_days_of_week', 'per_part', 'due_time', 'time_zone', 'holiday_country'] %}
        cast({{ "'" ~ one[name] ~ "'" if one[name] is not none and one[name] is defined else 'null' }} as {{ text_type() }}) as {{ name }},
        {%- endfor %}
        cast({{ one.days_after }} as integer) as days_after,
        cast({{ one.grace_minutes }} as integer) as grace_minutes,
        {%- for name in ['first_date', 'last_date'] %}
        cast({{ "'" ~ one[name] ~ "'" if one[name] else 'null' }} as date) as {{ name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    {%- if not found %}
    where false
    {%- endif %}
    {%- endfor %}
{%- endmacro %}
