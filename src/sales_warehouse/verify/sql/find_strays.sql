-- rows of a raw table that belong to no active file of its feed, and to none that a build holds
select _file_id, count(*)
from {raw_table} as raw
where not exists (
    select 1 from ledger.files where file_id = raw._file_id and feed = %s and status in ('active', 'held')
)
group by _file_id
order by _file_id
