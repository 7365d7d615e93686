{# Of a sample the days alone: another relation that is read may have no more. Where the column is the first day of a period,
   `last_column` is its last one. #}
{% macro only_touched_dates(column, period='day', last_column=none) -%}
    {%- set window = model.build_window -%}
    {%- if not window or window.is_whole -%}
        {{ return(only_sampled_dates(column, last_column)) }}
    {%- endif -%}
    {{ return(in_dates(column, window.dates, period)) }}
{%- endmacro %}

{# With the period month the whole months of the dates, one range each, so that an index on the column can be used. #}
{% macro in_dates(column, dates, period='day') -%}
    {%- if not dates -%}
        {{ return('false') }}
    {%- elif period == 'day' -%}
        {{ return(column ~ " in (cast('" ~ dates | join("' as date), cast('") ~ "' as date))") }}
    {%- elif period != 'month' -%}
        {{ exceptions.raise_compiler_error("in_dates: the period is day or month, not " ~ period) }}
    {%- endif -%}
    {%- set ranges = [] -%}
    {%- for month in dates | map('truncate', 7, true, '', 0) | unique -%}
        {%- set year, number = month[:4] | int, month[5:] | int -%}
        {%- set next = '%04d-%02d-01' % (year + number // 12, number % 12 + 1) -%}
        {%- do ranges.append(
            column ~ " >= cast('" ~ month ~ "-01' as date) and " ~ column ~ " < cast('" ~ next ~ "' as date)"
        ) -%}
    {%- endfor -%}
    {{ return('(' ~ ranges | join(' or ') ~ ')') }}
{%- endmacro %}
