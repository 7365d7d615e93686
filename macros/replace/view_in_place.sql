{# A view that is replaced in place when its query changes, and left alone when it does not. dbt's `view` makes a new view in
   each build and drops the old one with everything that depends on it. #}
{% materialization view_in_place, default %}
    {{ return(replace_view()) }}
{% endmaterialization %}

{# A mart that is a view of other public marts, and is published as one: nothing of it is stored, so that figures which change for
   all rows each day cost nothing. #}
{% materialization view_of_marts, default %}
    {%- do model.update({'build_window': look_up_window()}) -%}
    {{ return(replace_view()) }}
{% endmaterialization %}

{% macro replace_view() -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set target = this.incorporate(type='view') -%}
    {#- a temporary view has its columns and its query as PostgreSQL understands them, with `*` written out -#}
    {%- set made = make_temp_relation(target).incorporate(path={'schema': 'pg_temp'}, type='view') -%}
    {% call statement('main') %}
        {{ get_create_view_as_sql(made, sql) }}
    {% endcall %}
    {%- set difference = find_difference(target, made) -%}
    {%- set relations = {'target': target, 'made': made, 'columns': read_column_list(made)} -%}
    {%- do run_query('drop view ' ~ made) -%}
    {%- if difference.keeps_columns -%}
        {%- do when_free(
            'create or replace view ' ~ target ~ ' as (\n' ~ sql ~ '\n);', target, [difference.oid]
        ) if not difference.is_same_view -%}
    {%- else -%}
        {%- do swap_relation(relations, difference, get_create_view_as_sql(target, sql)) -%}
    {%- endif -%}
    {{ return(finish(target)) }}
{%- endmacro %}
