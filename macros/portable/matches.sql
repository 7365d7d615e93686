{% macro matches(expression, pattern) -%}
    {{ return(adapter.dispatch('matches', 'sales_warehouse')(operand(expression), pattern)) }}
{%- endmacro %}

{% macro default__matches(expression, pattern) -%}
    {{ expression }} ~ '{{ pattern }}'
{%- endmacro %}

{# In Java `$` also matches before a line feed at the end, and `.` no line feed. #}
{% macro spark__matches(expression, pattern) -%}
    {%- set inner = pattern[:-1] if pattern.endswith('$') else pattern -%}
    {%- if modules.re.search('[$](?!])', inner) or '\u005c' in pattern -%}
        {{ exceptions.raise_compiler_error('matches: $ is the end of a pattern or in brackets, and a pattern has no backslash: ' ~ pattern) }}
    {%- endif -%}
    {{ expression }} rlike '(?s){{ inner }}{{ '(?!.)' if pattern.endswith('$') }}'
{%- endmacro %}
