{# The rows of row_outcomes that are part of an event: of feeds of events, those that count, are repeated or superseded. #}
{% macro of_event_feeds() -%}
    {%- set conditions = [] -%}
    {%- for feed in feeds() if feed.events -%}
        {%- do conditions.append(
            "feed = '" ~ feed.name ~ "' and (row_status in ('repeated', 'superseded') or row_count > 0 and "
            ~ is_event(feed.events) ~ ')'
        ) -%}
    {%- endfor -%}
    {{ return('(' ~ conditions | join(' or ') ~ ')' if conditions else 'false') }}
{%- endmacro %}

{# What was decided about the event of such a row. #}
{% macro decision_of_outcome() -%}
    {{ return("case when row_status in ('repeated', 'superseded') then row_status else 'counted' end") }}
{%- endmacro %}
