grant create, temporary on database {database} to {loader}, {transformer}, {analyst};

-- what a backup of the ledger reads
grant select on all sequences in schema ledger to {transformer};
alter default privileges for role {loader} in schema ledger grant select on sequences to {transformer};

-- a build in a schema of an analyst's own begins with the files that it sees
grant usage on schema ledger to {analyst};
grant select on ledger.file_events to {analyst};

-- what a publication writes
grant insert, update, delete on
ledger.green_builds, ledger.publications, ledger.published_marts, ledger.history_tables, ledger.current_publication,
ledger.publication_switches
to {transformer};

-- what a build writes about files
revoke all on function
ledger.hold_file(bigint, text, text), ledger.touch_later_files(text []), ledger.seal_segments(interval),
ledger.seal(bigint [])
from public;
grant execute on function ledger.hold_file(bigint, text, text), ledger.touch_later_files(text []) to {transformer};
-- any build sees what came until it began
grant execute on function ledger.seal_segments(interval) to {transformer}, {analyst};

-- builds and publications that wait name the sessions in the way, of other logins too, and since when they are
do $$ begin
    grant pg_read_all_stats to {transformer};
exception when insufficient_privilege then
    raise notice 'The right pg_read_all_stats is not granted: messages about locks do not say since when they are held.';
end $$;

-- one build at a time
revoke all on function
ledger.try_build_lease(text, text, text), ledger.hold_build_lease(text), ledger.give_back_build_lease(text)
from public;
grant execute on function
ledger.try_build_lease(text, text, text), ledger.hold_build_lease(text), ledger.give_back_build_lease(text)
to {transformer};

-- A login that runs dbt works as transformer by default; docs/how-to/set-up-a-server.md lists the logins:
-- alter role ... in database {database} set role = {transformer_text};
