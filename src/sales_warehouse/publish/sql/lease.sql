-- The lease of a build: one build at a time writes the relations of the target prod. Its first hook takes the lease, each of
-- its transactions holds it, its last hook gives it back. dbt opens a session for each node, so no lock of a session would last.
-- The functions run with the rights of the ledger's owner.
create table if not exists ledger.build_lease (
    is_the_row boolean primary key default true check (is_the_row),
    -- of dbt; NULL when no build has the lease
    invocation_id text,
    command text,
    login text,
    taken_at timestamptz
);
insert into ledger.build_lease default values on conflict do nothing;

-- Take the lease if no build has it, or if this build or an abandoned one has it. Return its owner, and the server processes
-- whose transactions hold it; NULL when no transaction does.
create or replace function ledger.try_build_lease(this_build text, this_command text, abandoned_build text)
returns table (invocation_id text, command text, login text, taken_at timestamptz, held_by text, seen_at timestamptz)
language plpgsql security definer set search_path = pg_catalog
as $$
#variable_conflict use_column
declare
    owner text;
begin
    -- one at a time, so that no transaction but those of the owner can be in the way of the row lock
    perform pg_advisory_xact_lock(0x5A1E0011);
    select build_lease.invocation_id into owner from ledger.build_lease for update skip locked;
    if not found then
        return query
        select build_lease.invocation_id, build_lease.command, build_lease.login, build_lease.taken_at, (
            select coalesce(string_agg(distinct pid::text, ', '), 'unknown') from pg_locks
            where relation = 'ledger.build_lease'::regclass and mode = 'RowShareLock' and pid <> pg_backend_pid()
        ), clock_timestamp()
        from ledger.build_lease;
        return;
    end if;
    if owner is null or owner = this_build or owner = abandoned_build then
        update ledger.build_lease
        set invocation_id = this_build, command = this_command, login = session_user, taken_at = clock_timestamp();
    end if;
    return query
    select build_lease.invocation_id, build_lease.command, build_lease.login, build_lease.taken_at, null, clock_timestamp()
    from ledger.build_lease;
end $$;

-- Keep the lease until the transaction ends; raise an error when another build has it.
create or replace function ledger.hold_build_lease(this_build text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    lease ledger.build_lease;
begin
    select * into lease from ledger.build_lease for key share;
    if lease.invocation_id is distinct from this_build then
        raise exception 'Build % does not have the lease any more: %.', this_build, coalesce(
            format('%s of %s (invocation %s) has it since %s',
                lease.command, lease.login, lease.invocation_id, date_trunc('second', lease.taken_at)),
            'it was given back'
        ) using hint = 'No transaction of this build was seen for build_lease_seconds, or it was ended. Build again.';
    end if;
end $$;

-- Give the lease back, if this build has it. Waits for the transactions of the build.
create or replace function ledger.give_back_build_lease(this_build text) returns void
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    perform from ledger.build_lease where invocation_id = this_build for update;
    update ledger.build_lease set invocation_id = null where invocation_id = this_build;
end $$;
