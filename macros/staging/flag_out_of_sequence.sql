{# The rows of a relation and `is_out_of_sequence`, for the rule order_date:out_of_sequence.
   Rows of one file with the same date, one after the other, are a run; rows without a date belong to none.
   1. A run has a neighbour when the date of the run before it or after it is within the limit.
   2. A run without a neighbour is out of sequence when its date is more than the limit later than both the nearest run
      with a neighbour before it and the one after it, or more than the limit earlier than both.
   3. If there is such a run on one side only, the first or the last run of the file takes the place of the other.
   So a block of wrong dates is found although its runs follow one another, and a gap in the sales is no mistake. #}
{% macro flag_out_of_sequence(relation, date_column, feed=none, items=none) -%}
    {%- set judged_feed = feed or staged_feed() -%}
    {#- dbt shows no sources to unit tests -#}
    {%- set declared = (feeds() if graph.sources else []) | selectattr('name', 'equalto', judged_feed) | list -%}
    {%- set options = (declared[0].source.external.options or {}) if declared else {} -%}
    {%- if declared and options.get('sorted_by') != 'date' -%}
        {{ exceptions.raise_compiler_error(
            judged_feed ~ ': the rule order_date:out_of_sequence compares rows in the order of the file. Add the option '
            ~ 'sorted_by: date to the declaration of the feed, or take the rule out of its staging model.'
        ) }}
    {%- endif -%}
    {%- set limit = quality_rule('order_date:out_of_sequence', judged_feed).limit -%}
    {%- set date = operand(date_column) -%}
    {#- the partition by file lets filters on _file_id pass below the windows -#}
    {%- set rows = 'partition by _file_id, case when ' ~ date ~ ' is null then 1 else 0 end' -%}
    {%- set up_to_here = 'rows between unbounded preceding and current row' -%}
    {#- the items of one record have one row number -#}
    {%- set places = ['_row_number', '_item_number'] if items or items is none and options.get('items') else ['_row_number'] -%}
    {%- set forwards = rows ~ ' order by ' ~ places | join(' asc nulls last, ') ~ ' asc nulls last' -%}
    {%- set backwards = rows ~ ' order by ' ~ places | join(' desc nulls last, ') ~ ' desc nulls last' -%}
    {%- set rising = 'over (' ~ forwards ~ ' ' ~ up_to_here ~ ')' -%}
    {%- set falling = 'over (' ~ backwards ~ ' ' ~ up_to_here ~ ')' -%}
    select
        *,
        coalesce(
            not _has_neighbour
            and (
                {{ days_between('_latest_date', date) }} > {{ limit }}
                or {{ days_between(date, '_earliest_date') }} > {{ limit }}
            ),
            false
        ) as is_out_of_sequence
    from (
        select
            *,
            case
                when _date_before > coalesce(_date_after, _last_date) then _date_before
                when _date_before is not null or _date_after is not null then coalesce(_date_after, _last_date)
            end as _latest_date,
            case
                when _date_after < coalesce(_date_before, _first_date) then _date_after
                when _date_before is not null or _date_after is not null then coalesce(_date_before, _first_date)
            end as _earliest_date
        from (
            select
                *,
                max(case when _has_neighbour then {{ date }} end) over ({{ rows }}, _place_before) as _date_before,
                max(case when _has_neighbour then {{ date }} end) over ({{ rows }}, _place_after) as _date_after
            from (
                select
                    *,
                    sum(case when _has_neighbour then 1 else 0 end) {{ rising }} as _place_before,
                    sum(case when _has_neighbour then 1 else 0 end) {{ falling }} as _place_after
                from (
                    select
                        *,
                        coalesce(abs({{ days_between('_run_before', date) }}) <= {{ limit }}, false)
                        or coalesce(abs({{ days_between(date, '_run_after') }}) <= {{ limit }}, false) as _has_neighbour
                    from ({{ runs_of_dates(relation, date, rows, forwards, rising) }}) as runs
                ) as compared
            ) as placed
        ) as surrounded
    ) as bounded
{%- endmacro %}

{# The rows with the dates of the run before and the run after their own. #}
{% macro runs_of_dates(relation, date, rows, forwards, rising) -%}
    select
        *,
        max(case when _previous_date is null then {{ date }} end) over ({{ rows }}) as _first_date,
        max(case when _next_date is null then {{ date }} end) over ({{ rows }}) as _last_date,
        max(case when {{ date }} <> _previous_date then _previous_date end) over ({{ rows }}, _run_number) as _run_before,
        max(case when {{ date }} <> _next_date then _next_date end) over ({{ rows }}, _run_number) as _run_after
    from (
        select
            *,
            sum(case when {{ date }} is distinct from _previous_date then 1 else 0 end) {{ rising }} as _run_number
        from (
            select
                *,
                lag({{ date }}) over ({{ forwards }}) as _previous_date,
                lead({{ date }}) over ({{ forwards }}) as _next_date
            from {{ relation }}
        ) as neighbours
    ) as numbered
{%- endmacro %}
