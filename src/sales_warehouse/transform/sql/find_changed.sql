select changed.uri
from audit.builds cross join ledger.changed_files(builds.invocation_id, builds.upper_event_id) as changed
where builds.invocation_id = %s
order by changed.file_id
