{# The periods of the stores of all sources in one shape, from their lookups, named by staging model. Such a model is keyed by
   store_id alone; which of the other columns it has is read from its YAML. With no list at all there is no row. #}
{% macro union_store_lists(staging_models) -%}
    {%- set relations = [] -%}
    {%- for name in staging_models -%}
        {%- do relations.append(ref(periods_model(name))) -%}
    {%- endfor -%}
    {%- if not execute -%}
        {{ return('select 1 as nothing') }}
    {%- endif -%}
    {%- for name in staging_models %}
    {%- set lookup = required_lookup(name) %}
    {%- if lookup.key != ['store_id'] -%}
        {{ exceptions.raise_compiler_error(
            name ~ ': a list of stores has the key [store_id], not [' ~ lookup.key | join(', ') ~ '].'
        ) }}
    {%- endif %}
{{ 'union all\n' if not loop.first -}}
select
    cast('{{ name[4:].split('__')[0] }}' as {{ text_type() }}) as source_system,
    store_id,
    {%- for column in store_columns() %}
    {{ column.name if column.name in lookup.value_columns else 'cast(null as ' ~ column.type ~ ') as ' ~ column.name }},
    {%- endfor %}
    valid_from_date
from {{ relations[loop.index0] }}
    {%- else %}
select
    cast(null as {{ text_type() }}) as source_system,
    cast(null as {{ text_type() }}) as store_id,
    {%- for column in store_columns() %}
    cast(null as {{ column.type }}) as {{ column.name }},
    {%- endfor %}
    cast(null as date) as valid_from_date
where 1 = 0
    {%- endfor %}
{%- endmacro %}

{# What a list may say of a store; dim_store_history and dim_store have these columns too. #}
{% macro store_columns() -%}
    {{ return([
        {'name': 'store_name', 'type': text_type()},
        {'name': 'store_format', 'type': text_type()},
        {'name': 'region', 'type': text_type()},
        {'name': 'country', 'type': text_type()},
        {'name': 'currency', 'type': text_type()},
        {'name': 'time_zone', 'type': text_type()},
        {'name': 'day_ends_at', 'type': text_type()},
        {'name': 'opened_date', 'type': 'date'},
        {'name': 'closed_date', 'type': 'date'},
        {'name': 'refurbished_from_date', 'type': 'date'},
        {'name': 'refurbished_to_date', 'type': 'date'},
    ]) }}
{%- endmacro %}
