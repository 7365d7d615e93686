{% macro computed_once() -%}
    {{ return(adapter.dispatch('computed_once', 'sales_warehouse')()) }}
{%- endmacro %}

{# PostgreSQL does not merge a query with a window function into the one that reads it, and drops the window itself
   before it runs, as no query reads its result. The partition lets filters on _file_id and _row_number pass below the window. #}
{% macro default__computed_once() -%}
    row_number() over (partition by _file_id, _row_number order by _row_number asc nulls last)
{%- endmacro %}

{# Spark computes an expression once that several others read. #}
{% macro spark__computed_once() -%}
    1
{%- endmacro %}
