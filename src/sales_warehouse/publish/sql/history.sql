-- Begin the next generation of a mart, and end the generation before: with two tables, or with a query of other marts.
drop function if exists ledger.begin_generation(text, bigint, jsonb);
create or replace function ledger.begin_generation(mart_name text, number bigint, shape jsonb, its_query text)
returns ledger.history_tables
language plpgsql
as $$
declare
    made ledger.history_tables;
    next_generation integer;
    stem text;
    columns text;
begin
    update ledger.history_tables set until_publication = number
    where history_tables.mart = mart_name and until_publication is null;
    select coalesce(max(generation), 0) + 1 into next_generation
    from ledger.history_tables where history_tables.mart = mart_name;
    if its_query is not null then
        insert into ledger.history_tables (mart, generation, columns, since_publication, query)
        values (mart_name, next_generation, shape, number, its_query)
        returning * into made;
        return made;
    end if;
    -- PostgreSQL cuts names off after 63 bytes
    stem := case when octet_length(mart_name) > 44 then left(mart_name, 8) || '_' || md5(mart_name) else mart_name end
        || '_' || next_generation;
    select string_agg(format('%I %s', one ->> 'name', one ->> 'type'), ', ' order by place) into columns
    from jsonb_array_elements(shape) with ordinality as shapes (one, place);
    insert into ledger.history_tables
    values (
        mart_name, next_generation, format('published_history.%I', stem || '_open'),
        format('published_history.%I', stem || '_closed'), shape, number, null
    )
    returning * into made;
    -- the numbers come first: to read a column PostgreSQL unpacks all columns before it
    execute format('create table %s (_from_publication bigint not null, %s)', made.open_table, columns);
    execute format(
        'create table %s (_from_publication bigint not null, _to_publication bigint not null, %s)',
        made.closed_table, columns
    );
    return made;
end $$;

-- Give the history tables the indexes of the mart. No index is dropped, because that would block readers.
create or replace function ledger.follow_indexes(source text, tables ledger.history_tables) returns void
language plpgsql
as $$
declare
    index_kind text;
    index_of text;
begin
    for index_of, index_kind in
        select kept, kind
        from unnest(array[tables.open_table, tables.closed_table]) as history (kept)
        cross join lateral (
            -- rows that ended may be equal, so no index of them is unique
            select replace(substring(pg_get_indexdef(indexrelid) from ' USING .*$'), ' NULLS NOT DISTINCT', '') as kind
            from pg_index where indrelid = source::regclass and indisvalid
            union
            -- finds rows that came or ended after an earlier publication
            select case kept
                when tables.open_table then ' USING btree (_from_publication)' else ' USING btree (_to_publication)'
            end
        ) as wanted
        where not exists (
            select from pg_index
            where indrelid = kept::regclass and substring(pg_get_indexdef(indexrelid) from ' USING .*$') = kind
        )
    loop
        execute format('create index on %s%s', index_of, index_kind);
    end loop;
    perform brin_summarize_new_values(pg_index.indexrelid)
    from pg_index
    inner join pg_class on pg_index.indexrelid = pg_class.oid
    inner join pg_am on pg_class.relam = pg_am.oid
    where pg_am.amname = 'brin' and pg_index.indrelid = tables.open_table::regclass;
end $$;
