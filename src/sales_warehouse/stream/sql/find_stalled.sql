-- Sessions of a stream whose transaction waits for a process that does not go on: it was stopped, or its machine was lost. A
-- commit has all its messages in memory before it begins, so it never waits so long.
select pid from pg_stat_activity
where
    application_name = 'warehouse stream' and datname = current_database() and pid <> pg_backend_pid()
    and wait_event = 'ClientRead' and state in ('active', 'idle in transaction', 'idle in transaction (aborted)')
    and xact_start < clock_timestamp() - make_interval(secs => %(seconds)s)
    and state_change < clock_timestamp() - make_interval(secs => %(seconds)s)
    and pid in (select pid from pg_locks where relation = %(table)s and granted)
