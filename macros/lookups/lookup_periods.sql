{# The one place where it is decided which row of a lookup is in force when: of the rows of one key and day the last by the declared
   order, from its day until that of the next row of the key. Nothing depends on arrival. In a build of what is new only the keys
   of rows that came or went are computed; they go to a temporary table first, because the planner must know how few there are. #}
{% macro lookup_periods(staging_model) -%}
    {%- set rows = ref(staging_model ~ '_typed') -%}
    {%- if not execute -%}
        {{ return('select * from ' ~ rows) }}
    {%- endif -%}
    {%- set lookup = required_lookup(staging_model) -%}
    {%- set key = columns_in('delivered', lookup.key) -%}
    {%- set window = model.build_window -%}
    {%- set condition = only_new_files('delivered._file_id') -%}
    {%- if window and not window.is_whole -%}
        {%- set of_files = in_list('_file_id', window.files) -%}
        {%- set key_list = column_list(lookup.key) -%}
        {%- do run_query(
            'create temporary table changed_keys on commit drop as select ' ~ key_list ~ ' from ' ~ rows ~ ' where ' ~ of_files
            ~ ' union select ' ~ key_list ~ ' from ' ~ this ~ ' where ' ~ of_files ~ '; analyze changed_keys'
        ) -%}
        {%- set condition = '(' ~ key ~ ') in (select ' ~ columns_in('changed_keys', lookup.key) ~ ' from changed_keys)' -%}
    {%- endif -%}
    {%- set order = [] -%}
    {%- for name in lookup.order + lookup.places -%}
        {%- do order.append('delivered.' ~ column_name(name) ~ ' desc nulls last') -%}
    {%- endfor -%}
    {%- set values = column_list(lookup.value_columns) ~ ',' if lookup.value_columns else '' -%}
    select
        {{ column_list(lookup.key) }},
        valid_from_date,
        lead(valid_from_date) over (
            partition by {{ column_list(lookup.key) }} order by valid_from_date asc nulls first
        ) as valid_to_date,
        {{ values }}
        _file_id,
        _row_number
    from (
        select
            {{ key }},
            {%- set valid_from = 'delivered.' ~ column_name(lookup.valid_from) if lookup.valid_from else 'cast(null as date)' %}
            {{ valid_from }} as valid_from_date,
            {%- if lookup.value_columns %}
            {{ columns_in('delivered', lookup.value_columns) }},
            {%- endif %}
            delivered._file_id,
            delivered._row_number,
            row_number() over (
                partition by {{ key }}{{ ', ' ~ valid_from if lookup.valid_from }}
                order by {{ order | join(', ') }} {#- portable: each has nulls last #}
            ) as place_from_last
        {#- dbt gives a relation a name of its own with --empty #}
        from (select * from {{ rows }}) as delivered
        where
            delivered.row_status = 'accepted'
            {%- for name in lookup.key %}
            and delivered.{{ column_name(name) }} is not null
            {%- endfor %}
            and {{ condition }}
    ) as placed
    where place_from_last = 1
{%- endmacro %}
