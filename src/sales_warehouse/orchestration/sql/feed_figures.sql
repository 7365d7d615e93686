select
    count(*),
    coalesce(sum(records_read), 0)::bigint,
    coalesce(sum(rows_rejected), 0)::bigint,
    coalesce(sum(rows_loaded), 0)::bigint
from ledger.files
where feed = %s and status = 'active'
