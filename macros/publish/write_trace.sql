{# On-run-end of prod, after close_publication: the functions by which readers see the records behind a figure, as they were delivered,
   and the places of those records in their files. They show records of published lines only, the declared columns alone, and a personal
   value to members of the role tracer alone, whatever role their session works as. A superuser counts as any other login, so that the
   page of the embedded server shows none. #}
{% macro write_trace() -%}
    {%- if not execute or target.name != 'prod' or flags.WHICH not in ('build', 'run', 'retry')
        or run_query("select 1 where to_regclass('published.fct_sales_lines') is null").rows -%}
        {{ return('') }}
    {%- endif -%}
    {%- set functions = trace_functions() -%}
    {%- set digest = local_md5(functions) -%}
    {%- if run_query(
        "select 1 where obj_description(to_regprocedure('published.trace_lines(bigint, bigint[])'), 'pg_proc') = '" ~ digest ~ "'"
    ).rows -%}
        {{ return('') }}
    {%- endif -%}
    {{ in_transaction_of_build(
        functions ~ "; comment on function published.trace_lines(bigint, bigint[]) is '" ~ digest ~ "'"
    ) }}
{%- endmacro %}

{% macro trace_functions() -%}
    {%- set parts = [] -%}
    {%- for feed in feeds() -%}
        {%- set columns = [] -%}
        {%- for column in feed.source.columns.values() if not column.name.startswith('_') -%}
            {%- set name = adapter.quote(column.name) -%}
            {%- set meta = column.config.meta or {} -%}
            {%- if meta.get('personal') or meta.get('person_key') -%}
                {%- do columns.append('case when told.is_tracer or rows.' ~ name ~ " is null then rows." ~ name ~ " else '•••' end as " ~ name) -%}
            {%- else -%}
                {%- do columns.append('rows.' ~ name) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if columns -%}
            {%- do parts.append(
                "select told.uri, rows._row_number, (select row_to_json(delivered) from (select " ~ columns | join(', ')
                ~ ") as delivered)\n    from told inner join " ~ feed.raw_relation ~ " as rows on rows._file_id = told.file_id"
                ~ "\n    where told.feed = " ~ as_literal(feed.name) ~ " and rows._row_number = any(row_numbers)"
            ) -%}
        {%- endif -%}
    {%- endfor -%}
create or replace function published.trace_lines(of_file bigint, row_numbers bigint [])
returns table (file text, row_number bigint, delivered json)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $trace$
    with recursive {{ roles_of_login() }},
    told as (
        select files.file_id, files.feed, files.uri, {{ is_tracer() }} as is_tracer
        from ledger.files where files.file_id = of_file
    ),
    found (uri, row_number, delivered) as (
        {{ parts | join('\n    union all\n    ') }}
    )
    select found.uri, found.row_number, found.delivered
    from found
    where exists (
        select from published.fct_sales_lines as lines
        where lines._file_id = of_file and lines._row_number = found.row_number
    )
    order by found.row_number
$trace$;

create or replace function published.trace_file(of_file bigint)
returns table (feed text, uri text, sha256 text, is_tracer boolean, has_erased boolean, rejects json)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $trace$
    with recursive {{ roles_of_login() }}
    select
        files.feed,
        files.uri,
        files.sha256,
        {{ is_tracer() }},
        exists (select from ledger.erased_texts) or exists (select from ledger.erased_records),
        (
            select coalesce(json_agg(json_build_array(
                row_number, line_number, byte_offset, reason, coalesce(delivered_bytes, length(raw))
            ) order by byte_offset, row_number), '[]')
            from ledger.rejects where rejects.file_id = of_file
        )
    from ledger.files
    where
        files.file_id = of_file
        and exists (select from published.fct_sales_lines as lines where lines._file_id = of_file)
$trace$;

create or replace function published.has_stream() returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp
as $trace$
    select exists (select from ledger.stream_positions)
$trace$
{%- endmacro %}

{% macro roles_of_login() -%}
    roles_of_login as (
        select pg_auth_members.roleid from pg_auth_members
        inner join pg_roles on pg_roles.oid = pg_auth_members.member
        where pg_roles.rolname = session_user
        union
        select above.roleid from roles_of_login
        inner join pg_auth_members as above on above.member = roles_of_login.roleid
    )
{%- endmacro %}

{% macro is_tracer() -%}
    exists (
        select from roles_of_login inner join pg_roles on pg_roles.oid = roles_of_login.roleid
        where pg_roles.rolname = current_database() || '_tracer'
    )
{%- endmacro %}
