{# Overrides dbt's macro, which writes all comments in each build. A comment that is there already is not written again, so that a
   build with nothing new writes no row of the catalogue, and a comment of a person on what has no description stays. #}
{% macro postgres__persist_docs(relation, model, for_relation=true, for_columns=true) -%}
    {%- set wanted = [] -%}
    {%- if for_relation and config.persist_relation_docs() and model.description -%}
        {%- do wanted.append(describe_column('', model.description)) -%}
    {%- endif -%}
    {%- for column in model.columns.values() if for_columns and config.persist_column_docs() and column.description -%}
        {%- do wanted.append(describe_column(column.name, column.description)) -%}
    {%- endfor -%}
    {%- if wanted -%}
        {%- for row in run_query(find_missing_comments(relation, wanted)).rows -%}
            {%- do run_query(row[0]) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{% macro describe_column(name, description) -%}
    {{ return('(' ~ as_literal(name) ~ ', ' ~ postgres_escape_comment(description.strip()) ~ ')') }}
{%- endmacro %}

{# One statement with all comments that are missing or different; no row when there are none. #}
{% macro find_missing_comments(relation, wanted) -%}
    select string_agg(
        format(
            'comment on %s is %L',
            case
                when attnum is not null then format('column %s.%I', pg_class.oid::regclass, attname)
                when relkind = 'v' then format('view %s', pg_class.oid::regclass)
                else format('table %s', pg_class.oid::regclass)
            end,
            wanted.description
        ), '; ' order by attnum nulls first
    ) as statements
    from (values {{ wanted | join(', ') }}) as wanted (column_name, description)
    cross join pg_class
    left join pg_attribute
        on pg_attribute.attrelid = pg_class.oid and pg_attribute.attname = wanted.column_name
        and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
    left join pg_description
        on pg_description.objoid = pg_class.oid and pg_description.classoid = cast('pg_class' as regclass)
        and pg_description.objsubid = coalesce(pg_attribute.attnum, 0)
    where pg_class.oid = to_regclass('{{ relation }}')
        and (wanted.column_name = '' or attnum is not null)
        and pg_description.description is distinct from wanted.description
    having count(*) > 0
{%- endmacro %}
