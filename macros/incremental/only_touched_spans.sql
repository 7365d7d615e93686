{% macro only_touched_spans(first_column, last_column) -%}
    {%- set window = model.build_window -%}
    {%- if not window or window.is_whole -%}
        {{ return(only_sampled_dates(first_column, last_column)) }}
    {%- endif -%}
    {{ return(in_periods(first_column, merged_periods(window.dates), last_column)) }}
{%- endmacro %}

{# Days of the spans in `relation` that meet a condition and have a touched date: looked up first, so that an index on the column
   can be used. #}
{% macro only_days_of_touched_spans(column, relation, span_columns, condition) -%}
    {%- set window = model.build_window -%}
    {%- if not window or window.is_whole -%}
        {{ return(only_sampled_dates(column)) }}
    {%- endif -%}
    {%- set spans = run_query(
        'select ' ~ span_columns | join(', ') ~ ' from ' ~ relation ~ ' where ' ~ condition ~ ' and '
        ~ only_touched_spans(span_columns[0], span_columns[1])
    ).rows -%}
    {{ return(in_periods(column, merged_periods([], spans))) }}
{%- endmacro %}
