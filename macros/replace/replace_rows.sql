{# Delete the rows of the table that the temporary table `filled` lacks, and insert those that the table lacks, in the order
   of `filled`. Rows are compared as wholes and counted, so no key is needed. Readers go on: no lock of theirs is in the way,
   and they see the old rows until the commit. A table that comes out equal is not written. #}
{% macro replace_rows(relations) -%}
    {%- set target, filled = relations.target, relations.filled -%}
    {%- set differing = make_temp_relation(target, '__differing') -%}
    {%- do lock_for_writing(target) -%}
    {%- do run_query(
        "create temporary table " ~ differing ~ " as select "
        ~ surplus('old_place', 'new_place') ~ " as gone, " ~ surplus('new_place', 'old_place') ~ " as came from ("
        ~ "select " ~ relations.columns ~ ", ctid as old_place, cast(null as tid) as new_place from " ~ target
        ~ " union all select " ~ relations.columns ~ ", null, ctid from " ~ filled
        ~ ") as both_tables group by " ~ relations.columns ~ " having count(old_place) <> count(new_place)"
    ) -%}
    {%- if run_query('select 1 from ' ~ differing ~ ' limit 1').rows -%}
        {%- do run_query(
            "analyze " ~ differing ~ "; delete from " ~ target ~ " where ctid in (select unnest(gone) from " ~ differing ~ ");"
            ~ " insert into " ~ target ~ " (" ~ relations.columns ~ ") select " ~ relations.columns ~ " from " ~ filled
            ~ " where ctid in (select unnest(came) from " ~ differing ~ ") order by ctid; analyze " ~ target
        ) -%}
    {%- else -%}
        {%- do model.update({'is_unwritten': true}) -%}
    {%- endif -%}
    {%- do run_query('drop table ' ~ differing ~ ', ' ~ filled) -%}
{%- endmacro %}

{# Of equal rows, the places of one table that exceed their number in the other. #}
{% macro surplus(place, other) -%}
    {{ return(
        '(array_agg(' ~ place ~ ') filter (where ' ~ place ~ ' is not null))[1:count(' ~ place ~ ') - count(' ~ other ~ ')]'
    ) }}
{%- endmacro %}
