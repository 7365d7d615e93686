{# Digits with these marks, and only zeros beyond the scale. The first of several groups does not begin with 0: 0,123 is
   more likely a fraction than 123. The empty text fits too; the cast refuses it. #}
{% macro number_pattern(scale, decimal_mark, thousands_mark) -%}
    {%- if decimal_mark not in ['.', ','] or thousands_mark not in ['', '.', ',', "'", '’', ' ', '\u00a0', '\u202f']
        or decimal_mark == thousands_mark or scale < 0 -%}
        {{ exceptions.raise_compiler_error(
            'The decimal mark is . or , and the thousands mark the other one, an apostrophe, a blank or nothing; the scale is '
            ~ 'not below 0. Given: ' ~ [decimal_mark, thousands_mark, scale]
        ) }}
    {%- endif -%}
    {%- set groups = '|[1-9][0-9]{0,2}(' ~ literal_pattern(thousands_mark) ~ '[0-9]{3})+' if thousands_mark else '' -%}
    {{ return('([0-9]+' ~ groups ~ ')?([' ~ decimal_mark ~ '][0-9]{0,' ~ scale ~ '}0*)?') }}
{%- endmacro %}

{# A regular expression for exactly these characters. It has no backslashes, which some engines interpret. #}
{% macro literal_pattern(text) -%}
    {%- set parts = [] -%}
    {%- for character in text -%}
        {%- if character in '^-+()0123456789' or character == '\u005c' -%}
            {{ exceptions.raise_compiler_error('A currency sign cannot hold ' ~ character) }}
        {%- endif -%}
        {%- do parts.append(character if character.isalpha() else '[' ~ character | replace("'", "''") ~ ']') -%}
    {%- endfor -%}
    {{ return(parts | join) }}
{%- endmacro %}
