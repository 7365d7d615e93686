{# What a staging model declares about its feed of the kind lookup, from `meta.lookup` of its YAML; none where it has none:

   key          columns by which lines find their row
   valid_from   column with the day from which a row holds, until the next row of its key; NULL: from the beginning. Without it
                the one row of a key holds always
   missing      what becomes of lines without a row in force. wait: they wait, and count once a file brings the row. unknown: they
                count, and the values are NULL, the unknown member
   order        columns that decide between rows of one key and day, the greatest wins, and at last the row number. None may depend
                on arrival; by default the delivery key, which the staging model has from the ledger

   `value_columns` are the other columns of the model: those that lines take. #}
{% macro lookup_of(staging_model) -%}
    {%- set found = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == staging_model -%}
        {%- do found.append(node) -%}
    {%- endfor -%}
    {%- set declared = (found[0].config.meta or {}).get('lookup') if found else none -%}
    {%- if not declared -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set lookup = {'key': none, 'valid_from': none, 'missing': none, 'order': ['delivery_key']} -%}
    {%- for name in declared if name not in lookup -%}
        {{ exceptions.raise_compiler_error(
            staging_model ~ ': meta.lookup.' ~ name ~ ' is not known. Known are: ' ~ lookup | join(', ') ~ '.'
        ) }}
    {%- endfor -%}
    {%- do lookup.update(declared) -%}
    {%- if not lookup.key or lookup.key is string or lookup.missing not in ('wait', 'unknown') -%}
        {{ exceptions.raise_compiler_error(
            staging_model ~ ': meta.lookup needs key, a list of columns, and missing, which is wait or unknown.'
        ) }}
    {%- endif -%}
    {%- set columns = found[0].columns.keys() | list -%}
    {%- set used = lookup.key + [lookup.valid_from] | select | list + lookup.order -%}
    {%- for name in used if name not in columns -%}
        {{ exceptions.raise_compiler_error(
            staging_model ~ ': meta.lookup names the column ' ~ name ~ ', which the YAML of the model does not list.'
        ) }}
    {%- endfor -%}
    {%- set own = ['sales_line_id', 'row_status', 'row_issues', 'delivered_values', '_file_id', '_row_number', '_item_number'] -%}
    {%- do lookup.update({
        'places': ['_row_number'] + (['_item_number'] if '_item_number' in columns else []),
        'value_columns': columns | reject('in', used + own) | list,
    }) -%}
    {{ return(lookup) }}
{%- endmacro %}

{# The same for a model that must be one. #}
{% macro required_lookup(staging_model) -%}
    {%- set lookup = lookup_of(staging_model) -%}
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
