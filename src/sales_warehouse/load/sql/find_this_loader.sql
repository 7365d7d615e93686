-- a row if the session with this process id and start still holds the loader's lock
select
from pg_locks inner join pg_stat_activity using (pid)
where
    locktype = 'advisory' and classid = 0 and objid = %s and granted
    and datname = current_database() and pid = %s and backend_start::text = %s
