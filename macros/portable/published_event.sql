{# The last event of the ledger that readers see, as a query of one row. #}
{% macro published_event() -%}
    {{ return(adapter.dispatch('published_event', 'sales_warehouse')()) }}
{%- endmacro %}

{% macro default__published_event() -%}
    select coalesce(max(upper_event_id), 0) as upper_event_id
    from ledger.publications
{%- endmacro %}

{# Builds of PostgreSQL hold files, and publish; the lake has what they let through. #}
{% macro spark__published_event() -%}
    select {{ upper_event() }} as upper_event_id
{%- endmacro %}
