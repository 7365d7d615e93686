{# When this build started, from its books: a fixed instant, so that what is late in one model is late in all. Other commands
   have none and see the SQL of now. #}
{% macro build_started_at() -%}
    {%- if not execute or not is_build() -%}
        {{ return('current_timestamp') }}
    {%- endif -%}
    {%- set rows = run_query(
        "select started_at from " ~ build_state('builds') ~ " where invocation_id = '" ~ invocation_id ~ "'"
    ).rows -%}
    {{ return(instant(rows[0][0].isoformat()) if rows else 'current_timestamp') }}
{%- endmacro %}
