{# The SQL of another model, so that its rules are written once. In place of a typed table, which has what builds have seen, it
   reads the staging view. `instead` gives, for models that it reads, the SQL to read in their place; `is_undecided` leaves out what decide_events decides. dbt finds no dependency in it: name the model in a
   comment, `-- depends_on: {{ ref('…') }}`. #}
{% macro sql_of(model_name, instead={}, is_undecided=false) -%}
    {%- if not execute -%}
        {{ return('select 1 as nothing') }}
    {%- endif -%}
    {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] -%}
    {%- set code = namespace(text=node.raw_code) -%}
    {#- what these macros read is not in the text -#}
    {%- set read = rows_of_fill().keys() | list + ['int_events__records_decided'] + (node.config.meta or {}).get('united_models', []) -%}
    {%- for name in instead if instead_of(name) not in code.text and name not in read -%}
        {{ exceptions.raise_compiler_error(
            'The models of `live` read another relation in place of ' ~ name ~ ', and do not find ' ~ instead_of(name) ~ ' in '
            ~ node.original_file_path ~ '. Write it so, or name in models/live what the model reads now.'
        ) }}
    {%- endfor -%}
    {%- set relations = {} -%}
    {#- dbt refuses ref() of what this model does not depend on -#}
    {%- for unique_id in node.depends_on.nodes if unique_id in graph.nodes -%}
        {%- set parent = graph.nodes[unique_id] -%}
        {%- set read = graph.nodes[parent.depends_on.nodes[0]] if is_typed(parent) else parent -%}
        {%- do relations.update({parent.name: read.relation_name}) -%}
    {%- endfor -%}
    {%- do relations.update(instead) -%}
    {%- for name, relation in relations.items() -%}
        {%- set code.text = code.text | replace(instead_of(name), relation) -%}
    {%- endfor -%}
    {%- set before = {'build_window': model.build_window, 'instead': model.instead, 'is_undecided': model.is_undecided} -%}
    {#- the whole of it, not what is due in this build -#}
    {%- do model.update({'build_window': none, 'instead': relations, 'is_undecided': is_undecided}) -%}
    {%- set sql = render(code.text) -%}
    {%- do model.update(before) -%}
    {{ return(sql) }}
{%- endmacro %}

{# The same with other decisions about events, and other `rows` for typed tables by their names, also in the models between. #}
{% macro sql_over_decisions(model_name, decisions, rows={}) -%}
    {%- if not execute -%}
        {{ return('select 1 as nothing') }}
    {%- endif -%}
    {%- set instead = {} -%}
    {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] -%}
    {%- for unique_id in node.depends_on.nodes if reads_built_rows(unique_id) -%}
        {%- set name = graph.nodes[unique_id].name -%}
        {%- if name in rows or name == 'int_events__records_decided' -%}
            {%- do instead.update({name: rows.get(name, decisions)}) -%}
        {%- elif not is_typed(graph.nodes[unique_id]) -%}
            {%- do instead.update({name: '(' ~ sql_over_decisions(name, decisions, rows) ~ ')'}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(sql_of(model_name, instead)) }}
{%- endmacro %}

{# Whether a model is a table between staging and marts, which has what builds have seen, or a view that reads one. #}
{% macro reads_built_rows(unique_id) -%}
    {%- set node = graph.nodes.get(unique_id) or {} -%}
    {%- if node.name == 'int_events__records_decided' or is_typed(node) -%}
        {{ return(true) }}
    {%- elif node.resource_type != 'model' or follows_ledger(node) -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set found = [] -%}
    {%- for parent in node.depends_on.nodes if not found and reads_built_rows(parent) -%}
        {%- do found.append(parent) -%}
    {%- endfor -%}
    {{ return(found | length > 0) }}
{%- endmacro %}

{# The rows of feeds of events that came since the last fill, in temporary tables: for each typed table, or view where there is
   none, the one that live.decide_events() makes. They are cast once, for the decisions and for the lines. #}
{% macro rows_of_fill() -%}
    {%- set found = {} -%}
    {%- for feed in feeds() if feed.events -%}
        {%- do found.update({graph.nodes[feed.rows_model].name: 'pg_temp.came_' ~ feed.name | replace('.', '_')}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{% macro instead_of(name) -%}
    {{ return("{{ ref('" ~ name ~ "') }}") }}
{%- endmacro %}

{# A model that a macro reads, also in the SQL that sql_of gives. #}
{% macro read_model(name) -%}
    {{ return((model.instead or {}).get(name) or ref(name)) }}
{%- endmacro %}

{# The columns of a model as its YAML lists them, or of a staging model without any as it declares them. #}
{% macro columns_of(model_name) -%}
    {%- if not execute -%}
        {{ return(['nothing']) }}
    {%- endif -%}
    {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] -%}
    {{ return(node.columns.keys() | list or (node.config.meta or {}).get('staged_columns', [])) }}
{%- endmacro %}
