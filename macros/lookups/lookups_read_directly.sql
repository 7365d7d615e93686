{# The feeds of the kind lookup that this model reads without their periods, by a join of its own or of a view that it reads. Which
   of its rows a change of such a feed concerns is unknown, so each builds the model from nothing. Not the typed table of such a
   feed, whose rows are its own. #}
{% macro lookups_read_directly() -%}
    {%- set names = [] -%}
    {%- set lookups = feeds() | selectattr('lookup') | list -%}
    {%- if lookups and not is_typed(model) -%}
        {%- set read = ancestors({'depends_on': {'nodes': model.depends_on.nodes, 'macros': []}}) -%}
        {%- set unique_ids = (read.code + read.followed) | map(attribute='unique_id') | list -%}
        {%- for feed in lookups if feed.rows_model in unique_ids or feed.staging_model in unique_ids -%}
            {%- do names.append(feed.name) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(names) }}
{%- endmacro %}
