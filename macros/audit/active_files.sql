{# Read from the events, not from the status of the files: the loader may run during a build. #}
{% macro active_files() -%}
    select file_id
    from {{ source('ledger', 'file_events') }}
    where event_id <= {{ upper_event() }} and kind in ('activated', 'deactivated')
    group by file_id
    having max(case when kind = 'activated' then event_id else 0 end)
        > max(case when kind = 'deactivated' then event_id else 0 end)
{%- endmacro %}
