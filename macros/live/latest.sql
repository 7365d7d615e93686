{# The rows of a mart in the latest publication, also while readers see an earlier one: a rollback changes nothing in live.lines.
   The publication keeps the view (src/sales_warehouse/publish/sql/views.sql). #}
{% macro latest(mart) -%}
    live.latest_{{ mart }}
{%- endmacro %}

{# Pre-hook: make the view, or give it the columns that the mart has from this build on. #}
{% macro show_latest(mart) -%}
    {%- if execute -%}
        {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ mart] -%}
        select ledger.show_latest('{{ node.alias }}', to_regclass('{{ node.relation_name }}'))
    {%- endif -%}
{%- endmacro %}

{# These expressions are evaluated once for a query. #}
{% macro latest_publication() -%}
    coalesce((select shown.latest_publication from ledger.current_publication as shown), 0)
{%- endmacro %}

{% macro latest_event() -%}
    coalesce((
        select latest.upper_event_id
        from ledger.publications as latest
        where latest.publication = (select shown.latest_publication from ledger.current_publication as shown)
    ), 0)
{%- endmacro %}

{# While readers see an earlier publication, no row of the latest one is audited. #}
{% macro is_latest_shown() -%}
    coalesce((select shown.publication = shown.latest_publication from ledger.current_publication as shown), false)
{%- endmacro %}

{# Whether live.daily adds to the latest publication. From a publication to the next fill the views compute its rows. #}
{% macro is_filled() -%}
    coalesce((select state.publication = {{ latest_publication() }} from live.state), false)
{%- endmacro %}

{# The begin of the last fill; of a publication that is newer, the time of its last event. #}
{% macro live_as_of() -%}
    (
        select case
            when state.publication is not null and state.event_id >= {{ latest_event() }} then state.filled_at
            else (select newest.at from ledger.file_events as newest where newest.event_id = {{ latest_event() }})
        end
        from live.state
    )
{%- endmacro %}

{# Files whose published lines do not count any more, or not as they were published. #}
{% macro files_that_left() -%}
    select gone.file_id from live.files as gone where gone.event_id > {{ latest_event() }}
{%- endmacro %}

{# Files whose lines in live.lines count. A segment that was open at the last fill may be in the publication since. #}
{% macro files_that_came() -%}
    select came.file_id
    from live.files as came
    where
        came.is_active
        and case
            when came.event_id is not null then came.event_id > {{ latest_event() }}
            else not exists (
                select 1
                from ledger.file_events as sealed
                where
                    sealed.file_id = came.file_id
                    and sealed.event_id > (select state.event_id from live.state)
                    and sealed.event_id <= {{ latest_event() }}
            )
        end
{%- endmacro %}

{# Days whose figures are not those of the latest publication. #}
{% macro touched_days() -%}
    select days.order_date from live.days where days.is_touched and {{ is_filled() }}
    union all
    select lines.order_date
    from live.lines
    where not {{ is_filled() }} and lines._file_id in ({{ files_that_came() }})
    union all
    select published.order_date
    from {{ latest('fct_sales_lines') }} as published
    where not {{ is_filled() }} and published._file_id = any(array({{ files_that_left() }}))
{%- endmacro %}
