{# The rows of a model of lines, each once, with the values of lookups that are in force on their day. `lookups` is a list of
   {'lookup': staging model, 'key': columns of the lines, 'date': column of the lines}; a key or date may be a value of a lookup
   before it. The columns are those of the lines, `<lookup>__<column>` for each value, and `looked_up_status` and
   `looked_up_issues`: those of the row, or `waiting` for an accepted row that a lookup with `missing: wait` has no row for.
   The model is registered as a reader, in its meta: a build of the periods finds by it whose lines changed. #}
{% macro look_up(lines_model, lookups) -%}
    {{- config(meta={'looks_up': {'lines': lines_model, 'lookups': lookups}}) -}}
    {%- set lines = read_model(lines_model) -%}
    {%- set relations = [] -%}
    {%- for entry in lookups -%}
        {%- do relations.append(read_model(periods_model(entry.lookup))) -%}
    {%- endfor -%}
    {%- if not execute -%}
        {{ return('select * from ' ~ lines) }}
    {%- endif -%}
    {%- set waits = [] -%}
    select
        lines.*,
        {%- for entry in lookups %}
        {%- set alias, lookup = lookup_alias(entry), required_lookup(entry.lookup) %}
        {%- do waits.append(alias ~ '._file_id is null') if lookup.missing == 'wait' %}
        {%- for name in lookup.value_columns %}
        {{ alias }}.{{ column_name(name) }} as {{ alias }}__{{ name }},
        {%- endfor %}
        {%- endfor %}
        {%- set is_waiting = "lines.row_status = 'accepted' and (" ~ (waits or ['false']) | join(' or ') ~ ')' %}
        case when {{ is_waiting }} then 'waiting' else lines.row_status end as looked_up_status,
        case when {{ is_waiting }} then 'lookup:waiting' else lines.row_issues end as looked_up_issues
    {#- dbt gives a relation a name of its own with --empty #}
    from (select * from {{ lines }}) as lines
    {{ join_lookups(lookups, relations) }}
{%- endmacro %}

{# One row of each lookup at most: its periods of a key do not overlap. By the alias `looked_up`, feeds_read_whole tells these
   scans from those of a join by hand. #}
{% macro join_lookups(lookups, relations) -%}
    {%- set before = [] -%}
    {%- for entry in lookups -%}
        {%- set alias, lookup = lookup_alias(entry), required_lookup(entry.lookup) %}
    {#- dbt gives a relation a name of its own with --empty #}
    left join (select * from {{ relations[loop.index0] }}{{ ' as looked_up' if not is_empty_run() }}) as {{ alias }}
        on {{ equal_lookup_key(alias, entry, before) }}
        {%- if lookup.valid_from %}
            {%- set date = lookup_operand(entry.date, before) %}
            and {{ date }} >= coalesce({{ alias }}.valid_from_date, {{ date }})
            and ({{ alias }}.valid_to_date is null or {{ date }} < {{ alias }}.valid_to_date)
        {%- endif %}
        {%- do before.append(alias) -%}
    {%- endfor -%}
{%- endmacro %}

{# The name of a lookup in the SQL: that of its feed, or `as`, where one lookup is read twice. #}
{% macro lookup_alias(entry) -%}
    {{ return(entry.get('as') or entry.lookup.split('__', 1)[1]) }}
{%- endmacro %}

{# Whether the lines have the key of a relation with the columns of a lookup. #}
{% macro equal_lookup_key(relation, entry, before) -%}
    {%- set lookup = required_lookup(entry.lookup) -%}
    {%- if entry.key is string or entry.key | length != lookup.key | length or lookup.valid_from and not entry.date -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ ': look_up of ' ~ entry.lookup ~ ' needs key, a column of the lines for each of '
            ~ lookup.key | join(', ') ~ (', and date, their day' if lookup.valid_from else '') ~ '.'
        ) }}
    {%- endif -%}
    {%- set equal = [] -%}
    {%- for name in entry.key -%}
        {%- do equal.append(
            lookup_operand(name, before) ~ ' = ' ~ relation ~ '.' ~ column_name(lookup.key[loop.index0])
        ) -%}
    {%- endfor -%}
    {{ return(equal | join(' and ')) }}
{%- endmacro %}

{# A column of the lines, or a value of a lookup before. #}
{% macro lookup_operand(name, before) -%}
    {%- for alias in before if name.startswith(alias ~ '__') -%}
        {{ return(alias ~ '.' ~ column_name(name[alias | length + 2:])) }}
    {%- endfor -%}
    {{ return('lines.' ~ column_name(name)) }}
{%- endmacro %}

{# The models that call look_up, each with the model of its lines and its lookups. #}
{% macro lookup_readers() -%}
    {%- set readers = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and (node.config.meta or {}).get('looks_up') -%}
        {%- do readers.append({
            'node': node,
            'lines': node.config.meta.looks_up.lines,
            'lookups': node.config.meta.looks_up.lookups,
        }) -%}
    {%- endfor -%}
    {{ return(readers) }}
{%- endmacro %}
