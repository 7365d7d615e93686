{# Whether a build keeps what it has built in tables of the target and replaces only the rows that changed. On Spark each build is
   whole, so there is nothing to keep: it fixes the state of the lake that it reads (open_build). #}
{% macro keeps_build_state() -%}
    {{ return(adapter.dispatch('keeps_build_state', 'sales_warehouse')()) }}
{%- endmacro %}

{% macro default__keeps_build_state() -%}
    {{ return(true) }}
{%- endmacro %}

{% macro spark__keeps_build_state() -%}
    {{ return(false) }}
{%- endmacro %}
