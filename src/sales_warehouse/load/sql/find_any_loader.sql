-- the session that holds the loader's lock
select pid, backend_start
from pg_locks inner join pg_stat_activity using (pid)
where locktype = 'advisory' and classid = 0 and objid = %s and granted and datname = current_database()
