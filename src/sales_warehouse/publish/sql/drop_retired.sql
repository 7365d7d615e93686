-- Drop the view of a mart that left the project from `published`. Earlier publications keep it, in `published_as_of`, until
-- they are pruned. Fails with the names of views that depend on it.
create or replace function ledger.drop_retired_mart(mart_name text) returns void
language plpgsql
as $$
begin
    perform ledger.lock_publications();
    if to_regclass(format('published.%I', mart_name)) is null
    or not exists (select from ledger.history_tables where mart = mart_name)
    or exists (select from ledger.history_tables where mart = mart_name and until_publication is null) then
        raise exception 'There is no retired mart %.', mart_name
        using errcode = 'invalid_parameter_value', hint = 'Those that there are: warehouse status';
    end if;
    set local lock_timeout = '5s';
    execute format('drop view published.%I', mart_name);
    perform ledger.drop_forgotten_marts();
end $$;

-- Drop what is left of the marts whose view was dropped from `published` and that no kept publication has.
create or replace function ledger.drop_forgotten_marts() returns void
language plpgsql set lock_timeout = '5s'
as $$
declare
    forgotten record;
begin
    for forgotten in
        select mart, string_agg(open_table || ', ' || closed_table, ', ') as tables
        from ledger.history_tables
        group by mart
        having to_regclass(format('published.%I', mart)) is null and every(until_publication is not null)
        and not exists (
            select from ledger.publications inner join ledger.history_tables as generations
                on publication >= since_publication and publication < until_publication
            where pruned_at is null and generations.mart = history_tables.mart
        )
    loop
        begin
            execute format('drop view if exists published_as_of.%I', forgotten.mart);
            if forgotten.tables is not null then
                execute format('drop table %s', forgotten.tables);
            end if;
            delete from ledger.history_tables where mart = forgotten.mart;
        exception when lock_not_available or dependent_objects_still_exist then
            raise notice 'published_as_of.% is in use. The next publication that prunes drops it.', forgotten.mart;
        end;
    end loop;
end $$;
