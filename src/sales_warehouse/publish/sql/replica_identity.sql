-- Give tables without a key a replica identity. Without one, change data capture of all tables (`create publication … for all
-- tables`) makes the server refuse to update or delete their rows. Tables that are being read are left to the next time.
create or replace function ledger.identify_rows(relations regclass []) returns void
language plpgsql
as $$
declare
    usual constant text := current_setting('lock_timeout');
    one regclass;
begin
    if current_setting('wal_level') <> 'logical' then
        return;
    end if;
    for one in
        select oid from pg_class
        where oid = any(relations) and relkind = 'r' and relpersistence = 'p' and pg_has_role(relowner, 'usage')
        and (relreplident = 'n' or relreplident = 'd' and not exists (
            select from pg_index where indrelid = pg_class.oid and indisprimary
        ))
    loop
        begin
            perform set_config('lock_timeout', '300ms', true);
            execute format('alter table %s replica identity full', one);
            perform set_config('lock_timeout', usual, true);
        exception when lock_not_available then
            raise notice 'Changes of % cannot be captured yet: it is being read.', one;
        end;
    end loop;
end $$;
