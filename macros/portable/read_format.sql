{# What try_date and try_timestamp need of a format. One of fixed width needs no pattern. As `Mon` stays a name in iso_text, its form for the
   engine is 2011-Dec-01, which PostgreSQL takes under every setting. #}
{% macro read_format(expression, format, months=none) -%}
    {%- set parts = modules.re.findall('YYYY|YY|Month|Mon|MI|MM|DD|HH24|SS|.', format) -%}
    {%- if months or format == 'ISO' or parts | select('in', ['M', 'D', 'H', 'Month', 'F', 'A', 'T', ',']) | list -%}
        {{ return(read_loose_format(expression, format, months)) }}
    {%- endif -%}
    {%- set widths = {'YYYY': 4, 'YY': 2, 'MM': 2, 'Mon': 3, 'DD': 2, 'HH24': 2, 'MI': 2, 'SS': 2} -%}
    {%- set texts = {} -%}
    {%- set seen = namespace(shape='') -%}
    {%- for part in modules.re.findall('YYYY|YY|MM|Mon|DD|HH24|MI|SS|.', format) -%}
        {%- if part in texts or part not in widths and part not in ' -/.:' -%}
            {{ exceptions.raise_compiler_error(
                'The format ' ~ format ~ ' has ' ~ part ~ ' twice or unexpectedly. It is made of ' ~ widths | join(', ')
                ~ ', each at most once, with blanks or - / . : between them'
            ) }}
        {%- elif part in widths -%}
            {%- do texts.update(
                {part: 'substring(' ~ expression ~ ', ' ~ (seen.shape | length + 1) ~ ', ' ~ widths[part] ~ ')'}
            ) -%}
            {%- set seen.shape = seen.shape ~ '_' * widths[part] -%}
        {%- else -%}
            {%- set seen.shape = seen.shape ~ part -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set year = texts.YYYY or texts.YY and full_year(texts.YY) -%}
    {%- set month = texts.MM or texts.Mon -%}
    {%- set has_time = 'HH24' in texts or 'MI' in texts or 'SS' in texts -%}
    {%- if not (year and month and texts.DD) or 'YYYY' in texts and 'YY' in texts or 'MM' in texts and 'Mon' in texts
        or has_time and not ('HH24' in texts and 'MI' in texts) -%}
        {{ exceptions.raise_compiler_error(
            'The format ' ~ format ~ ' needs one of YYYY and YY, one of MM and Mon, DD, and HH24 and MI if it has a time'
        ) }}
    {%- endif -%}
    {%- set date_text = year ~ " || '-' || " ~ month ~ " || '-' || " ~ texts.DD -%}
    {%- set time_text = " || ' ' || " ~ texts.HH24 ~ " || ':' || " ~ texts.MI ~ " || ':' || " ~ (texts.SS or "'00'") -%}
    {#- a time that is in the order of ISO already is one text: each || costs -#}
    {%- set time_at = format.find(' HH24:MI') -%}
    {%- if time_at >= 0 and (format[time_at:].startswith(' HH24:MI:SS') or not texts.SS) -%}
        {%- set time_text = ' || substring(' ~ expression ~ ', ' ~ (time_at + 1) ~ ', ' ~ (9 if texts.SS else 6) ~ ')' ~ ('' if texts.SS else " || ':00'") -%}
    {%- endif -%}
    {%- if format in ('YYYY-MM-DD', 'YYYY-MM-DD HH24:MI', 'YYYY-MM-DD HH24:MI:SS') -%}
        {%- set iso_text = expression -%}
    {%- else -%}
        {%- set iso_text = date_text ~ (time_text if has_time else '') -%}
    {%- endif -%}
    {{ return({'shape': seen.shape, 'iso_text': iso_text, 'has_time': has_time}) }}
{%- endmacro %}
