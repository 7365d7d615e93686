-- Let readers see another publication that is kept, or for NULL the publication before the current one; return its number.
create or replace function ledger.switch_publication(wanted bigint) returns bigint
language plpgsql
as $$
declare
    here bigint;
    there bigint;
    latest bigint;
    tables ledger.history_tables;
begin
    perform ledger.lock_publications();
    select publication, latest_publication into here, latest from ledger.current_publication;
    select max(publication) into there from ledger.publications
    where pruned_at is null and case when wanted is null then publication < here else publication = wanted end;
    if there is null then
        raise exception '%', coalesce(
            'Publication ' || wanted || ' is not kept.', 'There is no publication before the current one.'
        ) using errcode = 'invalid_parameter_value', hint = 'Those that are: warehouse publications';
    end if;
    if there <> here then
        for tables in
            select * from ledger.history_tables where until_publication is null and query is null order by history_tables.mart
        loop
            perform ledger.hold(tables, latest, case
                -- readers get the rows of the generation before, which were not moved
                when there < tables.since_publication and exists (
                    select from ledger.history_tables as others
                    where others.mart = tables.mart and others.generation <> tables.generation
                ) then latest
                else there
            end);
        end loop;
        perform ledger.reach('rows_moved');
        update ledger.current_publication set publication = there;
        insert into ledger.publication_switches (publication) values (there);
    end if;
    return there;
end $$;

-- Let the open table have the rows of another publication. Readers as of any publication still get their rows: a row that
-- leaves the open table goes to the closed table, and a row that comes from there stays there too.
create or replace function ledger.hold(tables ledger.history_tables, latest bigint, wanted bigint) returns void
language plpgsql
as $$
declare
    coming constant bigint := latest + 1;
    names text;
begin
    if wanted = coalesce(tables.holds_publication, latest) then
        return;
    end if;
    select string_agg(quote_ident(one ->> 'name'), ', ' order by place) into names
    from jsonb_array_elements(tables.columns) with ordinality as columns (one, place);
    execute format(
        'with gone as (delete from %2$s where _from_publication > $2 returning *) '
        'insert into %3$s (%1$s, _from_publication, _to_publication) '
        'select %1$s, _from_publication, $1 from gone where _from_publication < $1',
        names, tables.open_table, tables.closed_table
    ) using coming, wanted;
    -- rows that left the open table at an earlier rollback
    execute format(
        'with back as (delete from %3$s where _to_publication = $1 and _from_publication <= $2 returning *) '
        'insert into %2$s (%1$s, _from_publication) select %1$s, _from_publication from back',
        names, tables.open_table, tables.closed_table
    ) using coming, wanted;
    execute format(
        'insert into %2$s (%1$s, _from_publication) '
        'select %1$s, $1 from %3$s where _from_publication <= $2 and _to_publication > $2',
        names, tables.open_table, tables.closed_table
    ) using coming, wanted;
    update ledger.history_tables set holds_publication = nullif(wanted, latest)
    where history_tables.mart = tables.mart and generation = tables.generation;
end $$;
