{# Read from the build state, so that all models of a build agree on what is late. Other commands than a build have no
   start. #}
{% macro build_started_at() -%}
    {%- if not execute or not is_build() -%}
        {{ return('current_timestamp') }}
    {%- endif -%}
    {%- set rows = run_query(
        "select started_at from " ~ build_state('builds') ~ " where invocation_id = '" ~ invocation_id ~ "'"
    ).rows -%}
    {{ return(instant(rows[0][0].isoformat()) if rows else 'current_timestamp') }}
{%- endmacro %}
