-- Whether a table needs a replica identity: change data capture of a table without one makes the server refuse deletes.
select relreplident in ('d', 'n') and current_setting('wal_level') = 'logical' from pg_class where oid = to_regclass(%s)
