{# The feeds whose lines may be in several files, as a list of SQL that is never empty: of topics, where it is decided which events
   count, and those that declare that their records are sent again. #}
{% macro feeds_that_may_repeat() -%}
    {%- set names = [''] -%}
    {%- for feed in feeds() -%}
        {%- set share = (feed.source.external.options or {}).get('max_shared_records') -%}
        {%- do names.append(feed.name) if feed.is_topic or share == '100%' -%}
    {%- endfor -%}
    {{ return("('" ~ names | join("', '") ~ "')") }}
{%- endmacro %}
