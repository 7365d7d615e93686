-- Prune publications made before an instant, except the current and the latest: delete the rows that no kept publication
-- shows. Return the number of publications pruned.
drop function if exists ledger.fold_publications(timestamptz);  -- its name in the version before
create or replace function ledger.prune_publications(before timestamptz) returns bigint
language plpgsql
as $$
declare
    tables ledger.history_tables;
    unused ledger.history_tables [];
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
    -- The last tables of a mart that was removed stay, without rows: its view stays for the views that depend on it.
    unused := array(
        select generations from ledger.history_tables as generations
        where not exists (
            select from ledger.publications
            where pruned_at is null
            and publication >= generations.since_publication and publication < generations.until_publication
        )
        and exists (
            select from ledger.history_tables as later
            where later.mart = generations.mart and later.generation > generations.generation
        )
    );
    for tables in
        select * from ledger.history_tables
        where pruned > 0 and query is null and not history_tables = any(unused) order by history_tables.mart, generation
    loop
        execute format(
            'delete from %s as ended where not exists (select from ledger.publications where pruned_at is null '
            'and publication >= ended._from_publication and publication < ended._to_publication)', tables.closed_table
        );
        if tables.until_publication is not null then
            execute format(
                'delete from %s as ended where not exists (select from ledger.publications where pruned_at is null '
                'and publication >= ended._from_publication and publication < %s)',
                tables.open_table, tables.until_publication
            );
        end if;
    end loop;
    if cardinality(unused) > 0 then
        perform ledger.drop_generations(unused);
    end if;
    perform ledger.drop_forgotten_marts();
    return pruned;
end $$;

-- Drop the tables of generations that no kept publication shows. If readers are in the way, leave that to the next time.
create or replace function ledger.drop_generations(unused ledger.history_tables []) returns void
language plpgsql
as $$
declare
    tables ledger.history_tables;
begin
    delete from ledger.history_tables where history_tables = any(unused);
    perform ledger.show_marts(array(select distinct mart from unnest(unused)), interval '10 seconds');
    foreach tables in array unused loop
        continue when tables.query is not null;
        perform ledger.limit_lock_wait();
        -- a dump has locked it, though not the view
        execute format('drop table %s, %s', tables.open_table, tables.closed_table);
    end loop;
exception when lock_not_available then
    raise notice 'Tables of pruned publications are still being read. The next build drops them.';
end $$;
