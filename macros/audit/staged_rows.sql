{# A feed without a staging model is left out here and so shows as a difference at raw_to_staging. #}
{% macro staged_rows(columns) -%}
    {%- for feed in feeds() if feed.staging_relation %}
    {{ 'union all' if not loop.first }}
    select
        cast('{{ feed.name }}' as {{ text_type() }}) as feed,
        {{ columns | join(', ') }}
    from {{ feed.staging_relation }}
    where {{ only_new_files() }}
    {%- endfor %}
{%- endmacro %}
