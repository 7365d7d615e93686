{# For a pre-hook. Of what CTEs leave, PostgreSQL knows so little that it takes thousands of rows for one, and joins them in a nested
   loop: minutes instead of a second; or it takes keys for few that are many, and sorts all lines for a merge instead of hashing few days. Other
   engines have no such choice to make. #}
{% macro only_hash_joins() -%}
    {{ return(adapter.dispatch('only_hash_joins')()) }}
{%- endmacro %}

{% macro default__only_hash_joins() -%}
    set local enable_nestloop = off;
    set local enable_mergejoin = off
{%- endmacro %}

{% macro spark__only_hash_joins() -%}
{%- endmacro %}
