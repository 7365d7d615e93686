{# The materializations of the project on Spark. Each build is whole: a table is replaced by one commit, so that readers see the rows
   of before or those of after, and the next build repairs one that was killed at any point. #}
{% materialization table_in_place, adapter='spark' %}
    {{ return(replace_spark_table()) }}
{% endmaterialization %}

{% materialization incremental_by_ledger, adapter='spark' %}
    {{ return(replace_spark_table()) }}
{% endmaterialization %}

{% materialization table_when_new, adapter='spark' %}
    {{ return(replace_spark_table()) }}
{% endmaterialization %}

{# A table, so that readers who know no views of Spark have it. #}
{% materialization view_of_marts, adapter='spark' %}
    {{ return(replace_spark_table()) }}
{% endmaterialization %}

{% materialization view_in_place, adapter='spark' %}
    {%- do drop_if_other(this, 'view') -%}
    {% call statement('main') %}
        create or replace view {{ this }} as
        {{ sql }}
    {% endcall %}
    {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}

{% materialization seed, adapter='spark' %}
    {%- set loaded = load_agate_table() -%}
    {%- do store_result('agate_table', response='OK', agate_table=loaded) -%}
    {%- do drop_if_other(this, 'table') -%}
    {% call statement('main') %}
        create or replace table {{ this }} using iceberg as
        {{ select_seed(loaded) }}
    {% endcall %}
    {{ return({'relations': [this.incorporate(type='table')]}) }}
{% endmaterialization %}

{# The rows of a seed as one query, so that it is loaded by one commit. #}
{% macro select_seed(loaded) -%}
    {%- set casts, rows = [], [] -%}
    {%- for name in loaded.column_names -%}
        {%- set type = config.get('column_types', {}).get(name) or adapter.convert_type(loaded, loop.index0) -%}
        {%- do casts.append('cast(' ~ column_name(name) ~ ' as ' ~ spark_type(type) ~ ') as ' ~ column_name(name)) -%}
    {%- endfor -%}
    {%- for row in loaded.rows -%}
        {%- set values = [] -%}
        {%- for value in row -%}
            {%- do values.append(as_literal(value)) -%}
        {%- endfor -%}
        {%- do rows.append('(' ~ values | join(', ') ~ ')') -%}
    {%- endfor -%}
    select {{ casts | join(', ') }}
    from values {{ rows | join(', ') }} as seeded ({{ column_list(loaded.column_names) }})
{%- endmacro %}

{# Columns that a table cannot have by their own name, since Iceberg keeps it, are stored under that of the lake, and a view with
   the name of the model has them as the model names them. #}
{% macro replace_spark_table() -%}
    {%- set is_shown = '_partition' in model.columns -%}
    {%- set stored = this.incorporate(path={'identifier': this.identifier ~ '__stored'}) if is_shown else this -%}
    {%- do drop_if_other(stored, 'table') -%}
    {%- set columns = columns_of_contract(context.sql) if config.get('contract').enforced
        else ['* except (_partition)', '_partition as _topic_partition'] if is_shown else ['*'] -%}
    {% call statement('main') %}
        create or replace table {{ stored }} using iceberg
        tblproperties ('warehouse.event_id' = '{{ upper_event() }}') as
        select
            {{ columns | join(',\n            ') }}
        from (
            {{ context.sql }}
        ) as model_rows
    {% endcall %}
    {%- if is_shown -%}
        {%- do drop_if_other(this, 'view') -%}
        {%- do run_query(
            'create or replace view ' ~ this ~ ' as select * except (_topic_partition), _topic_partition as _partition from ' ~ stored
        ) -%}
    {%- endif -%}
    {{ return({'relations': [this.incorporate(type='view' if is_shown else 'table')]}) }}
{%- endmacro %}

{# The columns of a mart, of the types of its contract and without NULL where it says so: Spark would take any decimal for another,
   and applies no constraint. #}
{% macro columns_of_contract(sql) -%}
    {%- set found = run_query('describe query ' ~ sql).rows | map(attribute=0) | list -%}
    {%- set declared = model.columns.keys() | list -%}
    {%- if found | sort != declared | sort -%}
        {{ exceptions.raise_compiler_error(
            'The contract of ' ~ model.name ~ ' is not kept. Missing: ' ~ declared | reject('in', found) | join(', ')
            ~ '. Not declared: ' ~ found | reject('in', declared) | join(', ') ~ '.'
        ) }}
    {%- endif -%}
    {%- set columns = [] -%}
    {%- for column in model.columns.values() -%}
        {%- set value = 'cast(' ~ column_name(column.name) ~ ' as ' ~ spark_type(column.data_type) ~ ')' -%}
        {%- set promised = column.constraints | map(attribute='type') | map('string') | list -%}
        {%- if promised | select('in', ['not_null', 'primary_key', 'ConstraintType.not_null', 'ConstraintType.primary_key']) | list -%}
            {%- set value = 'coalesce(' ~ value ~ ", raise_error('" ~ model.name ~ '.' ~ column.name ~ " is NULL, against its contract'))" -%}
        {%- endif -%}
        {%- do columns.append(value ~ ' as ' ~ column_name(column.name)) -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}

{# A type of a contract or a seed as Spark writes it. #}
{% macro spark_type(data_type) -%}
    {%- set given = data_type | lower | trim -%}
    {%- set types = {
        'text': text_type(), 'timestamp without time zone': wall_clock_type(), 'timestamp with time zone': instant_type(),
        'bigint': 'bigint', 'integer': 'int', 'boolean': 'boolean', 'date': 'date', 'string': 'string',
    } -%}
    {%- if given in types -%}
        {{ return(types[given] | trim) }}
    {%- endif -%}
    {%- set decimal = modules.re.fullmatch('(?:numeric|decimal)[(] *([0-9]+) *(?:, *([0-9]+) *)?[)]', given) -%}
    {%- if not decimal or decimal[1] | int > 38 -%}
        {{ exceptions.raise_compiler_error(
            (model.name or '') ~ ': Spark has no ' ~ data_type ~ '. Its decimals have at most 38 digits: numeric(precision, scale).'
        ) }}
    {%- endif -%}
    {{ return('decimal(' ~ decimal[1] ~ ',' ~ (decimal[2] or 0) ~ ')') }}
{%- endmacro %}

{# A relation of the other kind is in the way: a model that was a view becomes a table. #}
{% macro drop_if_other(relation, type) -%}
    {%- set there = load_cached_relation(relation) -%}
    {%- if there is not none and there.type != type -%}
        {%- do adapter.drop_relation(there) -%}
    {%- endif -%}
{%- endmacro %}
