{# Files that are active at an event, by default the last one that this build sees; `among` are the files asked for.
   Read from the events, not from the status of the files: the loader may run during a build. #}
{% macro active_files(event_id=none, among=none) -%}
    select file_id
    from {{ source('ledger', 'file_events') }}
    where event_id <= {{ upper_event() if event_id is none else event_id }} and kind in ('activated', 'deactivated')
    {{- ' and ' ~ in_list('file_id', among) if among }}
    group by file_id
    having max(case when kind = 'activated' then event_id else 0 end)
        > max(case when kind = 'deactivated' then event_id else 0 end)
{%- endmacro %}
