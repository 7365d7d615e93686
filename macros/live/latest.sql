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

{# Files that changed after the latest publication: none of their published lines counts, their lines in live.lines do. A
   segment that was open at the last fill may be in the publication since. #}
{% macro files_changed_since() -%}
    select changed.file_id
    from live.files as changed
    where
        case
            when changed.event_id is not null then changed.event_id > {{ latest_event() }}
            else not exists (
                select 1
                from ledger.file_events as sealed
                where
                    sealed.file_id = changed.file_id
                    and sealed.event_id > (select state.event_id from live.state)
                    and sealed.event_id <= {{ latest_event() }}
            )
        end
{%- endmacro %}

{# Whether a published line counts: its file did not change, and no event in a file that changed decides otherwise. #}
{% macro still_counts(published) -%}
    {{ published }}._file_id not in ({{ files_changed_since() }})
    and not exists (
        select 1
        from live.decided_records as decided
        where
            decided.is_overridden
            and decided.touched_by && array({{ files_changed_since() }})
            and decided._file_id = {{ published }}._file_id
            and decided._row_number = {{ published }}._row_number
    )
{%- endmacro %}

{# Whether a line of live.lines counts: of a file that changed, or of a record about which an event in such a file decides. #}
{% macro counts_now(lines) -%}
    (
        {{ lines }}._file_id in ({{ files_changed_since() }})
        or coalesce((
            select decided.touched_by && array({{ files_changed_since() }})
            from live.decided_records as decided
            where decided._file_id = {{ lines }}._file_id and decided._row_number = {{ lines }}._row_number
        ), false)
    )
{%- endmacro %}

{# Days whose figures are not those of the latest publication. #}
{% macro touched_days() -%}
    select days.order_date from live.days where days.is_touched and {{ is_filled() }}
    union all
    select lines.order_date
    from live.lines
    where not {{ is_filled() }} and {{ counts_now('lines') }}
    union all
    select published.order_date
    from {{ latest('fct_sales_lines') }} as published
    where not {{ is_filled() }} and not ({{ still_counts('published') }})
{%- endmacro %}
