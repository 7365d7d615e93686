-- Prune publications made before an instant, except the current and the latest: delete the rows that no kept publication
-- shows. Return the number of publications pruned.
drop function if exists ledger.fold_publications(timestamptz);  -- its name in the version before
create or replace function ledger.prune_publications(before timestamptz) returns bigint
language plpgsql
as $$
declare
    tables ledger.history_tables;
    pruned bigint;
begin
    perform ledger.lock_publications();
    update ledger.publications set pruned_at = clock_timestamp()
    where pruned_at is null and published_at < before
    and publication not in (
        select publication from ledger.current_publication
        union all
        select latest_publication from ledger.current_publication
    );
    get diagnostics pruned = row_count;
    if pruned = 0 then
        return 0;
    end if;
    for tables in select * from ledger.history_tables order by history_tables.mart, generation loop
        execute format(
            'delete from %s as ended where not exists (select from ledger.publications where pruned_at is null '
            'and publication >= ended._from_publication and publication < ended._to_publication)', tables.closed_table
        );
        if tables.until_publication is null then
            continue;
        end if;
        if exists (
            select from ledger.publications
            where pruned_at is null
            and publication >= tables.since_publication and publication < tables.until_publication
        ) then
            execute format(
                'delete from %s as ended where not exists (select from ledger.publications where pruned_at is null '
                'and publication >= ended._from_publication and publication < %s)',
                tables.open_table, tables.until_publication
            );
        elsif exists (select from ledger.history_tables where history_tables.mart = tables.mart
            and generation <> tables.generation) then
            delete from ledger.history_tables
            where history_tables.mart = tables.mart and generation = tables.generation;
            perform ledger.show_mart(tables.mart);
            execute format('drop table %s, %s', tables.open_table, tables.closed_table);
        else
            -- the last tables of a mart that was removed: its view stays, without rows, for the views that depend on it
            execute format('delete from %s', tables.open_table);
        end if;
    end loop;
    perform ledger.drop_forgotten_marts();
    return pruned;
end $$;
