{# The rows of a staging view for the table of the same name with `_typed`, with the columns that the view's YAML lists. What was
   delivered is in it for quarantined rows. `indexes` are further ones, such as those of the keys of lookups. #}
{% macro typed_rows(staging_model, indexes=[]) -%}
    {{- config(
        materialized='incremental_by_ledger',
        incremental_strategy='by_file',
        indexes=[{'columns': ['_file_id'], 'type': 'brin'}] + indexes,
    ) -}}
    {%- set staged = ref(staging_model) -%}
    {%- if not execute -%}
        {{ return('select * from ' ~ staged) }}
    {%- endif -%}
    {%- set columns = [] -%}
    {%- for name in columns_of(staging_model) -%}
        {%- do columns.append(
            "case when row_status = 'quarantined' then delivered_values end as delivered_values"
            if name == 'delivered_values' else column_name(name)
        ) -%}
    {%- endfor -%}
    select
        {{ columns | join(',\n        ') }}
    from {{ staged }}
    where {{ only_new_files() }}
{%- endmacro %}

{# Whether a model is such a table. #}
{% macro is_typed(node) -%}
    {{ return('macro.sales_warehouse.typed_rows' in (node.depends_on or {}).get('macros', [])) }}
{%- endmacro %}
