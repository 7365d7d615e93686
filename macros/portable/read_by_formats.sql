{# A text in one of these formats, or the only value that those of several which fit agree on. #}
{% macro read_by_formats(expression, formats, kind, months=none) -%}
    {%- if formats is string -%}
        {{ return(read_by_format(expression, formats, kind, months)) }}
    {%- endif -%}
    {%- set values = values_of_formats(expression, formats, kind, months) | join(', ') -%}
    {#- of what is NULL both leave out -#}
    case when least({{ values }}) = greatest({{ values }}) then least({{ values }}) end
{%- endmacro %}

{# Whether formats of a list give different values: 5/1/2024 is two days. #}
{% macro is_ambiguous(expression, formats, months=none) -%}
    {%- if formats is string or formats | length < 2 -%}
        {{ exceptions.raise_compiler_error('is_ambiguous needs a list of two formats or more, not ' ~ formats) }}
    {%- endif -%}
    {%- set kind = 'timestamp' if read_format(expression, formats[0], months).has_time else 'date' -%}
    {%- set values = values_of_formats(operand(expression), formats, kind, months) | join(', ') -%}
    coalesce(least({{ values }}) <> greatest({{ values }}), false)
{%- endmacro %}

{% macro values_of_formats(expression, formats, kind, months) -%}
    {%- set values = [] -%}
    {%- for format in formats -%}
        {%- do values.append(read_by_format(expression, format, kind, months)) -%}
    {%- endfor -%}
    {{ return(values) }}
{%- endmacro %}

{# A format of fixed width is written back and must give the same text. This refuses texts that the engine reads more freely,
   and 24:00:00 and 23:59:60, which it would move to the next day or minute; a pattern with the same effect takes twice as
   long on PostgreSQL. #}
{% macro read_by_format(expression, format, kind, months) -%}
    {{ return(adapter.dispatch('read_by_format', 'sales_warehouse')(expression, format, kind, months)) }}
{%- endmacro %}

{% macro default__read_by_format(expression, format, kind, months) -%}
    {%- set read = read_format(expression, format, months) -%}
    {%- do assert_kind(read, format, kind) -%}
    {%- set value = 'cast(' ~ read.iso_text ~ ' as ' ~ (wall_clock_type() if kind == 'timestamp' else kind) ~ ')' -%}
    {%- if read.pattern -%}
    case
        when {{ matches(expression, read.pattern) }}
            then case when pg_input_is_valid({{ read.iso_text }}, '{{ kind }}') then {{ value }} end
    end
    {%- else -%}
    case
        when {{ expression }} like '{{ read.shape }}' and pg_input_is_valid({{ read.iso_text }}, '{{ kind }}')
            then case when to_char({{ value }}, '{{ format }}') = {{ expression }} then {{ value }} end
    end
    {%- endif -%}
{%- endmacro %}

{# Always by a pattern, as Spark reads texts more freely; it also knows the year 0, which PostgreSQL does not. #}
{% macro spark__read_by_format(expression, format, kind, months) -%}
    {%- set read = read_loose_format(expression, format, months) -%}
    {%- do assert_kind(read, format, kind) -%}
    case
        when {{ matches(expression, read.pattern) }} and {{ read.iso_text }} not like '0000%'
            then try_cast({{ read.iso_text }} as {{ wall_clock_type() if kind == 'timestamp' else kind }})
    end
{%- endmacro %}

{% macro assert_kind(read, format, kind) -%}
    {%- if read.has_time != (kind == 'timestamp') -%}
        {{ exceptions.raise_compiler_error(
            format ~ (' has a time; use try_timestamp' if read.has_time else ' has no time; use try_date')
        ) }}
    {%- endif -%}
{%- endmacro %}
