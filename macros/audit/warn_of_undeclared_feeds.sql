{# On-run-end: a feed that left the project is named while it has active files, because no model has their rows. #}
{% macro warn_of_undeclared_feeds() -%}
    {%- if not execute or target.name != 'prod' or flags.WHICH not in ('build', 'run', 'retry') -%}
        {{ return('') }}
    {%- endif -%}
    {%- for feed in run_query(
        'select feed, count(*) as file_count from ' ~ source('ledger', 'files') ~ ' where file_id in (' ~ active_files()
        ~ ') and feed not in ' ~ declared_feeds() ~ ' group by feed order by feed asc nulls last'
    ).rows -%}
        {%- do exceptions.warn(
            'The project does not declare the feed ' ~ feed.feed ~ ', and ' ~ feed.file_count
            ~ ' of its files are active. No model has their rows. Remove them: warehouse unload --feed ' ~ feed.feed
        ) -%}
    {%- endfor -%}
{%- endmacro %}

{# The names of the declared feeds as a list for `in`. #}
{% macro declared_feeds() -%}
    {{ return("('" ~ (feeds() | map(attribute='name') | list or ['']) | join("', '") ~ "')") }}
{%- endmacro %}
