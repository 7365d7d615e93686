{# Lines of the keys that have a line on a touched date, or had one when this relation was last built. The other lines
   of such a key are on touched dates or between the first and the last date of the key in this relation: only those are
   read. #}
{% macro only_touched_keys(relation, key, date_column) -%}
    {%- set window = model.build_window -%}
    {%- if not window or window.is_whole -%}
        {{ return(only_sampled_dates(date_column)) }}
    {%- endif -%}
    {%- set meta = model.config.meta -%}
    {%- set touched = merged_periods(window.dates) -%}
    {%- set was_touched = in_periods(meta.date_column, touched, meta.last_date_column) -%}
    {%- set there_now = 'select ' ~ key ~ ' from ' ~ relation ~ ' where ' ~ in_periods(date_column, touched) -%}
    {%- set there_before = 'select ' ~ meta.key_column ~ ' from ' ~ this ~ ' where ' ~ was_touched -%}
    {%- set known = 'select ' ~ meta.date_column ~ ', ' ~ meta.last_date_column ~ ' from ' ~ this ~ ' where ' -%}
    {%- set periods = run_query(
        known ~ meta.key_column ~ ' in (' ~ there_now ~ ') union ' ~ known ~ was_touched
    ).rows -%}
    {%- do window.update({'key_periods': merged_periods(window.dates, periods)}) -%}
    {{ return(
        in_periods(date_column, window.key_periods)
        ~ ' and ' ~ key ~ ' in (' ~ there_now ~ ' union all ' ~ there_before ~ ')'
    ) }}
{%- endmacro %}

{# Whether a date, or the period from it to `last_column`, has a day in one of the periods. #}
{% macro in_periods(column, periods, last_column=none) -%}
    {%- set conditions = [] -%}
    {%- for first, last in periods -%}
        {%- do conditions.append(
            column ~ " <= cast('" ~ last ~ "' as date) and " ~ (last_column or column) ~ " >= cast('" ~ first ~ "' as date)"
        ) -%}
    {%- endfor -%}
    {{ return('(' ~ conditions | join(' or ') ~ ')' if conditions else 'false') }}
{%- endmacro %}

{# The fewest periods that cover exactly these days and periods: the days of a month are one. #}
{% macro merged_periods(dates, periods=[]) -%}
    {%- set waiting = [] -%}
    {%- for date in dates -%}
        {%- do waiting.append([date | string, date | string]) -%}
    {%- endfor -%}
    {%- for first, last in periods -%}
        {%- do waiting.append([first | string, last | string]) -%}
    {%- endfor -%}
    {%- set merged = [] -%}
    {%- for first, last in waiting | sort -%}
        {%- set day_before = modules.datetime.date.fromisoformat(first) - modules.datetime.timedelta(days=1) -%}
        {%- if merged and merged[-1][1] >= day_before | string -%}
            {%- if last > merged[-1][1] -%}
                {%- do merged.append([merged.pop()[0], last]) -%}
            {%- endif -%}
        {%- else -%}
            {%- do merged.append([first, last]) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(merged) }}
{%- endmacro %}
