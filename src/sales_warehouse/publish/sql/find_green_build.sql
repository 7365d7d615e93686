-- the last whole green build, and its publication if it has one
select invocation_id, publication
from ledger.green_builds left join ledger.publications using (invocation_id)
order by ended_at desc, invocation_id limit 1
