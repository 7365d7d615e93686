{% macro raw_row_counts() -%}
    {%- for feed in feeds() %}
    {{ 'union all' if not loop.first }}
    select
        cast('{{ feed.name }}' as {{ text_type() }}) as feed,
        _file_id,
        count(*) as row_count
    from {{ feed.raw_relation }}
    where {{ only_new_files() }}
    group by _file_id
    {%- endfor %}
{%- endmacro %}
