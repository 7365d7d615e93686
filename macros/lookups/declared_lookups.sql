{# What the staging models of feeds of the kind lookup declare, by their names, from `meta.lookup` of their YAML:

   key          columns by which lines find their row
   valid_from   column with the day from which a row holds, until the next row of its key; NULL: from the beginning. Without it
                the one row of a key holds always
   missing      what becomes of lines without a row in force. wait: they wait, and count once a file brings the row. unknown: they
                count, and the values are NULL, the unknown member
   order        columns that decide between rows of one key and day, the greatest wins, and at last the row number. None may depend
                on arrival; by default the delivery key, which the staging model has from the ledger

   `value_columns` are the other columns of the model: those that lines take. dbt shows no meta to unit tests, which override this. #}
{% macro declared_lookups() -%}
    {%- set lookups = {} -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and (node.config.meta or {}).get('lookup') -%}
        {%- do lookups.update({node.name: checked_lookup(node)}) -%}
    {%- endfor -%}
    {{ return(lookups) }}
{%- endmacro %}

{% macro checked_lookup(node) -%}
    {%- set lookup = {'key': none, 'valid_from': none, 'missing': none, 'order': ['delivery_key']} -%}
    {%- for name in node.config.meta.lookup if name not in lookup -%}
        {{ exceptions.raise_compiler_error(
            node.name ~ ': meta.lookup.' ~ name ~ ' is not known. Known are: ' ~ lookup | join(', ') ~ '.'
        ) }}
    {%- endfor -%}
    {%- do lookup.update(node.config.meta.lookup) -%}
    {%- if not lookup.key or lookup.key is string or lookup.missing not in ('wait', 'unknown') -%}
        {{ exceptions.raise_compiler_error(
            node.name ~ ': meta.lookup needs key, a list of columns, and missing, which is wait or unknown.'
        ) }}
    {%- endif -%}
    {%- set columns = node.columns.keys() | list -%}
    {%- set used = lookup.key + [lookup.valid_from] | select | list + lookup.order -%}
    {%- for name in used if name not in columns -%}
        {{ exceptions.raise_compiler_error(
            node.name ~ ': meta.lookup names the column ' ~ name ~ ', which the YAML of the model does not list.'
        ) }}
    {%- endfor -%}
    {%- set own = ['sales_line_id', 'row_status', 'row_issues', 'delivered_values', '_file_id', '_row_number', '_item_number'] -%}
    {%- do lookup.update({
        'places': ['_row_number'] + (['_item_number'] if '_item_number' in columns else []),
        'value_columns': columns | reject('in', used + own) | list,
    }) -%}
    {{ return(lookup) }}
{%- endmacro %}

{# What one of them declares. #}
{% macro required_lookup(staging_model) -%}
    {%- set lookup = declared_lookups().get(staging_model) -%}
    {%- if not lookup -%}
        {{ exceptions.raise_compiler_error(staging_model ~ ' declares no meta.lookup in its YAML.') }}
    {%- endif -%}
    {{ return(lookup) }}
{%- endmacro %}

{# The model with the periods of a lookup. #}
{% macro periods_model(staging_model) -%}
    {{ return('int_lookups__' ~ staging_model[4:] ~ '_periods') }}
{%- endmacro %}

{# Columns of a relation as a list of SQL. #}
{% macro columns_in(relation, names) -%}
    {%- set listed = [] -%}
    {%- for name in names -%}
        {%- do listed.append(relation ~ '.' ~ column_name(name)) -%}
    {%- endfor -%}
    {{ return(listed | join(', ')) }}
{%- endmacro %}
