{# Put a relation with other columns in place of the existing one. Views upon it are made again in the same transaction; of those
   that cannot be, the views of others stop the build, unless drop_dependents tells it to drop them. Views that this run builds
   after this model may go. `create` makes the new relation. #}
{% macro swap_relation(relations, difference, create) -%}
    {%- set target = relations.target -%}
    {%- if difference.oid is none -%}
        {%- do run_query(create) -%}
        {{ return('') }}
    {%- endif -%}
    {%- do refuse_to_drop(relations, difference) -%}
    {%- set upon = read_dependents(relations) -%}
    {%- set lost = find_lost(upon) -%}
    {%- do name_dropped(relations, lost) -%}
    {%- set statements, oids = [], [difference.oid] -%}
    {%- for view in upon | rejectattr('depth', 'equalto', 0) | sort(attribute='depth', reverse=true) -%}
        {%- do oids.append(view.oid) -%}
        {%- do statements.append(write_drop(view.name, view.relkind)) if view.may_drop -%}
    {%- endfor -%}
    {%- do statements.append(write_drop(target, difference.relkind)) -%}
    {%- do statements.append(create.rstrip().rstrip(';') ~ ';') -%}
    {%- for view in upon if view.oid not in lost -%}
        {%- do statements.append(write_remake(view) if view.depth else view.statements or '') -%}
    {%- endfor -%}
    {%- do when_free(statements | join('\n'), target, oids) -%}
{%- endmacro %}

{# One view may read several models whose columns change in one build. While another model makes such a view again, PostgreSQL waits
   for it and then finds the view gone, so it is asked once more. To describe a view locks all that it reads until the end of the
   transaction, and two models would wait for each other; so it is asked in a subtransaction, which is rolled back. #}
{% macro read_dependents(relations) -%}
    {%- set statement -%}
        do $read_dependents$
        declare
            found text;
        begin
            for attempt in 1..100 loop
                begin
                    found := (select json_agg(upon order by depth, oid) from (
                        {{ write_dependents(relations.target, relations.columns) }}
                    ) as upon);
                    raise exception using errcode = 'WHASK';
                exception
                when sqlstate 'WHASK' then
                    exit;
                when internal_error then
                    if attempt = 100 then raise; end if;
                end;
            end loop;
            perform set_config('warehouse.dependents', coalesce(found, '[]'), true);
        end $read_dependents$;
        select current_setting('warehouse.dependents')
    {%- endset -%}
    {{ return(fromjson(run_query(statement).rows[0][0])) }}
{%- endmacro %}

{# The views that cannot be made again, with the reason. #}
{% macro find_lost(upon) -%}
    {%- set lost = {} -%}
    {%- for view in upon if view.depth -%}
        {%- set lost_parents = view.reads | select('in', lost) | list -%}
        {%- if view.reason or lost_parents -%}
            {%- do lost.update({view.oid: {
                'name': view.name, 'owner': view.owner, 'is_built_later': is_built_by_this_run(view.relation_name),
                'statements': view.statements,
                'reason': view.reason or 'reads ' ~ lost[lost_parents[0]].name,
            }}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(lost) }}
{%- endmacro %}

{% macro is_built_by_this_run(relation_name) -%}
    {%- for unique_id in selected_resources if unique_id in graph.nodes -%}
        {%- if graph.nodes[unique_id].relation_name == relation_name and flags.WHICH in ('build', 'run', 'retry') -%}
            {{ return(true) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(false) }}
{%- endmacro %}

{# On-run-start, before anything is built: whether a change of columns, as contracts declare them, would cost others something. A
   view that does not accept a changed type is seen when its model is built, as only its query tells. #}
{% macro check_dependents() -%}
    {%- set declared = [] -%}
    {%- for unique_id in (selected_resources if execute and flags.WHICH in ('build', 'run', 'retry') and keeps_build_state() and not var('drop_dependents')) -%}
        {%- set node = graph.nodes.get(unique_id, {'config': {}}) -%}
        {%- for column in (node.columns.values() if node.resource_type == 'model' and node.config.contract.enforced else []) -%}
            {%- set is_full = 'not_null' in column.constraints | map(attribute='type') | map('string') -%}
            {%- do declared.append("('" ~ [unique_id, node.relation_name, column.name, column.data_type, is_full] | join("', '") ~ "')") -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set found = [] -%}
    {%- for row in (run_query(write_changed_columns(declared)).rows if declared else []) -%}
        {%- set node = graph.nodes[row.unique_id] -%}
        {%- set target = api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias, type='table') -%}
        {%- set named = describe_losses({'target': target, 'columns': row.kept}) -%}
        {%- do found.append(describe_refusal(target, named)) if named -%}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error(found | join('\n') ~ '\nNothing was built. ' ~ how_to_drop()) if found -%}
{%- endmacro %}

{# The models whose relation has a column that they do not declare, or declare with another type or without NOT NULL, and the
   columns that they do declare. Of a view only the kind of number or time counts: its contract declares no digits. #}
{% macro write_changed_columns(declared) -%}
    with declared as (
        select
            unique_id, to_regclass(relation_name) as relation, relation_name, column_name, to_regtype(column_type) as column_type, is_full,
            regexp_replace(substring(replace(column_type, ' ', '') from '\(.*\)'), '^\((\d+)\)$', '(\1,0)') as digits
        from (values {{ declared | join(', ') }}) as declared (unique_id, relation_name, column_name, column_type, is_full)
    )
    select unique_id, string_agg(quote_ident(column_name), ', ') as kept
    from declared as models
    where exists (
        select from pg_attribute
        inner join pg_class on attrelid = pg_class.oid
        left join declared on relation = attrelid and column_name = attname
        where attrelid = models.relation and attnum > 0 and not attisdropped and (
            column_name is null or atttypid <> column_type or (relkind = 'r' and (
                (attnotnull and is_full = 'False')
                or (atttypid = 'numeric'::regtype and substring(format_type(atttypid, atttypmod) from '\(.*\)') is distinct from digits)
            ))
        )
    )
    group by unique_id, relation_name
    order by relation_name
{%- endmacro %}

{# Fail when something of others would be lost, and the build was not told to drop it. #}
{% macro refuse_to_drop(relations, difference) -%}
    {%- if difference.oid is none or var('drop_dependents') -%}
        {{ return('') }}
    {%- endif -%}
    {%- set named = describe_losses(relations) -%}
    {%- if named -%}
        {{ exceptions.raise_compiler_error(describe_refusal(relations.target, named) ~ '\nIt is unchanged. ' ~ how_to_drop()) }}
    {%- endif -%}
{%- endmacro %}

{% macro describe_refusal(target, named) -%}
    {{ return('The columns of ' ~ target.include(database=false) | string | replace('"', '') ~ ' change, and this would drop:\n  '
        ~ named | join('\n  ')) }}
{%- endmacro %}

{% macro how_to_drop() -%}
    {{ return('Have their owners change or drop them, or drop them now: warehouse build --drop-dependents '
        ~ "(plain dbt: --vars '{drop_dependents: true}')") }}
{%- endmacro %}

{# Say what goes. Its statements are in the log file of dbt, for its owner. #}
{% macro name_dropped(relations, lost) -%}
    {%- set named = describe_lost(lost) + describe_attached(relations) -%}
    {%- if named -%}
        {%- set name = relations.target.include(database=false) | string | replace('"', '') -%}
        {%- do log('Dropped, as the columns of ' ~ name ~ ' change: ' ~ named | join('; '), info=true) -%}
        {%- for view in lost.values() if not view.is_built_later -%}
            {%- do log(view.statements) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{# What a new relation in place of this one would cost others: views with owner and reason, and what goes with a relation. #}
{% macro describe_losses(relations) -%}
    {{ return(describe_lost(find_lost(read_dependents(relations))) + describe_attached(relations)) }}
{%- endmacro %}

{% macro describe_attached(relations) -%}
    {%- set oid = "cast(to_regclass('" ~ relations.target ~ "') as oid)" -%}
    {{ return(run_query(attached_to(oid) ~ ' order by 1').rows | map(attribute=0) | list + indexes_in_the_way(relations)) }}
{%- endmacro %}

{% macro describe_lost(lost) -%}
    {%- set named = [] -%}
    {%- for view in lost.values() if not view.is_built_later -%}
        {%- do named.append(view.name ~ ' of ' ~ view.owner ~ ': ' ~ view.reason) -%}
    {%- endfor -%}
    {{ return(named) }}
{%- endmacro %}

{% macro write_drop(name, relkind) -%}
    {{ limit_lock_wait() }}
    drop {{ {'r': 'table', 'v': 'view', 'm': 'materialized view'}[relkind] }} if exists {{ name }}
    {{- ' cascade' if var('drop_dependents') }};
{%- endmacro %}

{# A view may fail for a type that its query does not accept. #}
{% macro write_remake(view) -%}
    begin
        {{ view.statements }}
    exception
    when lock_not_available then
        raise;
    when others then
        {% if not (is_built_by_this_run(view.relation_name) or var('drop_dependents')) -%}
        raise exception 'The view % does not accept the new columns: %', '{{ view.name | replace("'", "''") }}', sqlerrm
        using hint = 'Have its owner change or drop it, or drop it now: warehouse build --drop-dependents';
        {%- else -%}
        null;
        {%- endif %}
    end;
{%- endmacro %}
