-- The files that changed between two publications. A delivery key with a removed and an added file was corrected.
with before as (
    select file_id from ledger.active_files(%(before)s) as active (file_id)
),
after as (
    select file_id from ledger.active_files(%(after)s) as active (file_id)
),
changed as (
    select file_id, before.file_id is not null as was_there, after.file_id is not null as is_there
    from before full join after using (file_id)
    where before.file_id is null or after.file_id is null or exists (
        select from ledger.file_events
        where file_events.file_id = before.file_id and event_id > %(before)s and event_id <= %(after)s
        and kind in ('activated', 'deactivated', 'replayed')
    )
)
select
    case
        when was_there and is_there then 'replayed or restored'
        when count(*) filter (where was_there) over key > 0 and count(*) filter (where is_there) over key > 0
            then 'corrected'
        when is_there then 'came'
        else 'went'
    end as what, feed, delivery_key, file_id, uri
from changed inner join ledger.files using (file_id)
window key as (partition by feed, delivery_key)
order by feed, delivery_key, is_there, file_id
