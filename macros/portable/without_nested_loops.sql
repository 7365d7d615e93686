{# For a pre-hook. Of what a chain of CTEs leaves, PostgreSQL knows so little that it may take thousands of rows for one
   and join them in a nested loop: minutes instead of a second. Other engines have no such choice to make. #}
{% macro without_nested_loops() -%}
    {{ return(adapter.dispatch('without_nested_loops')()) }}
{%- endmacro %}

{% macro default__without_nested_loops() -%}
    set local enable_nestloop = off
{%- endmacro %}

{% macro spark__without_nested_loops() -%}
{%- endmacro %}
