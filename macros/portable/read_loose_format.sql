{# What try_date and try_timestamp need of a format with parts of one width or another, names of months, a half of a day or a
   fraction of a second. The pattern alone decides which texts are of the format, so nothing is written back. #}
{% macro read_loose_format(expression, format, months=none) -%}
    {%- if format == 'ISO' -%}
        {{ return(read_iso_format(expression)) }}
    {%- endif -%}
    {%- set known = {
        'YYYY': (4, '[0-9]{4}'), 'YY': (2, '[0-9]{2}'),
        'MM': (2, '(0[1-9]|1[0-2])'), 'M': (0, '(0?[1-9]|1[0-2])'), 'Mon': (0, '[^- /.:,0-9]+'), 'Month': (0, '[^- /.:,0-9]+'),
        'DD': (2, '(0[1-9]|[12][0-9]|3[01])'), 'D': (0, '(0?[1-9]|[12][0-9]|3[01])'),
        'HH24': (2, '([01][0-9]|2[0-3])'), 'H24': (0, '([01]?[0-9]|2[0-3])'),
        'HH12': (2, '(0[1-9]|1[0-2])'), 'H12': (0, '(0?[1-9]|1[0-2])'), 'AM': (2, '(AM|PM|am|pm)'),
        'MI': (2, '[0-5][0-9]'), 'SS': (2, '[0-5][0-9]'), 'FF': (0, '[0-9]{1,6}'),
    } -%}
    {%- set fields = [[]] -%}
    {%- set seen = namespace(pattern='', separators='') -%}
    {%- for part in modules.re.findall('YYYY|YY|Month|Mon|MI|MM|M|DD|D|HH24|H24|HH12|H12|AM|SS|FF|.', format) -%}
        {%- if part in known and part not in fields | sum(start=[]) -%}
            {%- do fields[-1].append(part) -%}
            {%- set seen.pattern = seen.pattern ~ known[part][1] -%}
        {%- elif part in ' -/.:,T' -%}
            {%- do fields.append([]) -%}
            {%- set seen.pattern = seen.pattern ~ '[' ~ part ~ ']' -%}
            {%- set seen.separators = seen.separators ~ (part if part not in ' ' ~ seen.separators else '') -%}
        {%- else -%}
            {{ exceptions.raise_compiler_error(
                'The format ' ~ format ~ ' has ' ~ part ~ ' twice or unexpectedly. It is made of ' ~ known | join(', ')
                ~ ', each at most once, with blanks or - / . : , T between them; or it is ISO'
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {%- set parts = fields | sum(start=[]) -%}
    {%- for one_of in [['YYYY', 'YY'], ['MM', 'M', 'Mon', 'Month'], ['DD', 'D'], ['HH24', 'H24', 'HH12', 'H12']] -%}
        {%- set found = parts | select('in', one_of) | list | length -%}
        {%- if found > 1 or not found and not loop.last -%}
            {{ exceptions.raise_compiler_error('The format ' ~ format ~ ' needs one of ' ~ one_of | join(', ')) }}
        {%- endif -%}
    {%- endfor -%}
    {%- set has_time = parts | select('in', ['HH24', 'H24', 'HH12', 'H12', 'MI', 'SS', 'FF', 'AM']) | list | length > 0 -%}
    {%- set is_of_half = 'HH12' in parts or 'H12' in parts -%}
    {%- if has_time and not ('MI' in parts and (is_of_half or 'HH24' in parts or 'H24' in parts))
        or is_of_half != ('AM' in parts) or 'FF' in parts and 'SS' not in parts -%}
        {{ exceptions.raise_compiler_error(
            'The format ' ~ format ~ ' has a time, which needs HH24 or H24, or HH12 or H12 with AM; and MI; and SS before FF'
        ) }}
    {%- endif -%}
    {%- set texts = texts_of_fields(expression, format, fields, known, seen.separators) -%}
    {%- set year = texts.YYYY or full_year(texts.YY) -%}
    {%- set name = texts.Mon or texts.Month -%}
    {%- set month = month_number(name, months or english_months('Month' in parts)) if name else texts.MM or lpad_two(texts.M) -%}
    {%- set day = texts.DD or lpad_two(texts.D) -%}
    {%- set iso_text = year ~ " || '-' || " ~ month ~ " || '-' || " ~ day -%}
    {%- if has_time -%}
        {%- set hour = texts.HH24 or lpad_two(texts.H24 or hour_of_day(texts.HH12 or texts.H12, texts.AM)) -%}
        {%- set fraction = " || '.' || " ~ texts.FF if texts.FF else '' -%}
        {%- set iso_text = iso_text ~ " || ' ' || " ~ hour ~ " || ':' || " ~ texts.MI ~ " || ':' || " ~ (texts.SS or "'00'") ~ fraction -%}
    {%- endif -%}
    {{ return({'pattern': '^' ~ seen.pattern ~ '$', 'iso_text': iso_text, 'has_time': has_time}) }}
{%- endmacro %}

{# ISO 8601 as programs write it: T or a blank, seconds and a fraction or not, a zone or not. The zone is left out: the value
   is what the clock showed. #}
{% macro read_iso_format(expression) -%}
    {%- set zone = '(Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)' -%}
    {{ return({
        'pattern': '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?( ?' ~ zone ~ ')?$',
        'iso_text': 'substring(' ~ expression ~ ", 1, 10) || ' ' || rtrim(split_part(translate(substring(" ~ expression
            ~ ", 12), 'Z-', '++'), '+', 1))",
        'has_time': true,
    }) }}
{%- endmacro %}

{# The SQL of each part of a text in this format: from the left as far as the parts have one width, from the right behind the
   part that has not. #}
{% macro texts_of_fields(expression, format, fields, known, separators) -%}
    {%- set blanked = expression -%}
    {%- if separators -%}
        {%- set blanked = 'translate(' ~ expression ~ ", '" ~ separators ~ "', '" ~ ' ' * separators | length ~ "')" -%}
    {%- endif -%}
    {%- set texts = {} -%}
    {%- for parts in fields -%}
        {%- set field = blanked if fields | length == 1 else 'split_part(' ~ blanked ~ ", ' ', " ~ loop.index ~ ')' -%}
        {%- set loose = namespace(count=0, left=0, right=0, is_behind=false) -%}
        {%- for part in parts -%}
            {%- set loose.count = loose.count + (known[part][0] == 0) -%}
            {%- set loose.right = loose.right + known[part][0] -%}
        {%- endfor -%}
        {%- if loose.count > 1 -%}
            {{ exceptions.raise_compiler_error(
                'The format ' ~ format ~ ' has ' ~ parts | join(' and ') ~ ' without a sign between them, so that it is unknown where one ends'
            ) }}
        {%- endif -%}
        {%- for part in parts -%}
            {%- set width = known[part][0] -%}
            {%- set loose.right = loose.right - width -%}
            {%- if parts | length == 1 -%}
                {%- do texts.update({part: field}) -%}
            {%- elif width == 0 -%}
                {%- set rest = loose.left + loose.right -%}
                {%- do texts.update(
                    {part: 'substring(' ~ field ~ ', ' ~ (loose.left + 1) ~ ', length(' ~ field ~ ') - ' ~ rest ~ ')'}
                ) -%}
                {%- set loose.is_behind = true -%}
            {%- elif loose.is_behind -%}
                {%- do texts.update(
                    {part: 'substring(' ~ field ~ ', length(' ~ field ~ ') - ' ~ (loose.right + width - 1) ~ ', ' ~ width ~ ')'}
                ) -%}
            {%- else -%}
                {%- do texts.update({part: 'substring(' ~ field ~ ', ' ~ (loose.left + 1) ~ ', ' ~ width ~ ')'}) -%}
            {%- endif -%}
            {%- set loose.left = loose.left + width -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(texts) }}
{%- endmacro %}

{% macro lpad_two(text) -%}
    {{ return('lpad(' ~ text ~ ", 2, '0')") }}
{%- endmacro %}

{# The hour from 0 to 23 of one from 1 to 12. Computed only of texts that the pattern let pass. #}
{% macro hour_of_day(hour, half) -%}
    {{ return(
        'cast(mod(cast(' ~ hour ~ ' as integer), 12) + case when ' ~ half ~ " in ('PM', 'pm') then 12 else 0 end as "
        ~ text_type() ~ ')'
    ) }}
{%- endmacro %}

{# NULL for any other name. #}
{% macro month_number(name, months) -%}
    {%- if months is string or months | length != 12 -%}
        {{ exceptions.raise_compiler_error('months is a list of twelve names, not ' ~ months) }}
    {%- endif -%}
    {%- set cases = [] -%}
    {%- for month in months -%}
        {%- if modules.re.search('[- /.:,0-9]', month) -%}
            {{ exceptions.raise_compiler_error('months: ' ~ month ~ ' has a sign or digit that separates the parts of a format') }}
        {%- endif -%}
        {%- do cases.append('when ' ~ as_literal(month) ~ " then '" ~ '%02d' % loop.index ~ "'") -%}
    {%- endfor -%}
    {{ return('case ' ~ name ~ ' ' ~ cases | join(' ') ~ ' end') }}
{%- endmacro %}

{% macro english_months(is_in_full) -%}
    {%- set months = [
        'January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December',
    ] -%}
    {%- set short = [] -%}
    {%- for month in months -%}
        {%- do short.append(month[:3]) -%}
    {%- endfor -%}
    {{ return(months if is_in_full else short) }}
{%- endmacro %}
