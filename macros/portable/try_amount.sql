{% macro try_amount(expression, precision, scale, decimal_mark, thousands_mark='', currency_sign='') -%}
    {{ return(adapter.dispatch('try_amount', 'sales_warehouse')(
        operand(expression), precision, scale, decimal_mark, thousands_mark, currency_sign
    )) }}
{%- endmacro %}

{# Only a text that follows the declared marks reaches the cast, so removing the marks cannot change the number and the
   cast cannot round. #}
{% macro default__try_amount(expression, precision, scale, decimal_mark, thousands_mark, currency_sign) -%}
    {%- set read = read_amount(expression, scale, decimal_mark, thousands_mark, currency_sign) -%}
    case
        when
            {{ matches(expression, read.pattern) }}
            and pg_input_is_valid({{ read.plain }}, 'numeric({{ precision }}, {{ scale }})')
            then cast({{ read.plain }} as numeric({{ precision }}, {{ scale }}))
    end
{%- endmacro %}

{% macro spark__try_amount(expression, precision, scale, decimal_mark, thousands_mark, currency_sign) -%}
    {%- set read = read_amount(expression, scale, decimal_mark, thousands_mark, currency_sign) -%}
    case
        when {{ matches(expression, read.pattern) }}
            then try_cast({{ read.plain }} as numeric({{ precision }}, {{ scale }}))
    end
{%- endmacro %}

{# What try_amount needs of the marks: the pattern of an amount, and its text as a plain number. #}
{% macro read_amount(expression, scale, decimal_mark, thousands_mark, currency_sign) -%}
    {%- set number = number_pattern(scale, decimal_mark, thousands_mark) -%}
    {%- set bare = expression -%}
    {%- set forms = ['[-+]?' ~ number, '[(]' ~ number ~ '[)]'] -%}
    {%- if currency_sign -%}
        {%- set sign = literal_pattern(currency_sign) -%}
        {%- set bare = "replace(" ~ expression ~ ", '" ~ (currency_sign | replace("'", "''")) ~ "', '')" -%}
        {%- set forms = [
            '[-+]?(' ~ sign ~ ' ?)?' ~ number, sign ~ ' ?[-+]' ~ number, '[-+]?' ~ number ~ ' ?' ~ sign,
            '[(](' ~ sign ~ ' ?)?' ~ number ~ '[)]', sign ~ ' ?[(]' ~ number ~ '[)]', '[(]' ~ number ~ ' ?' ~ sign ~ '[)]',
        ] -%}
    {%- endif -%}
    {%- set marks = decimal_mark ~ (thousands_mark | replace("'", "''")) -%}
    {%- set plain = "translate(" ~ bare ~ ", '(" ~ marks ~ ") ', '-.')" -%}
    {{ return({'pattern': '^(' ~ forms | join('|') ~ ')$', 'plain': plain}) }}
{%- endmacro %}
