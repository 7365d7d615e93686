-- Objects that have a person who was erased since, and that no grace period keeps.
select exists (
    select from lake.objects
    cross join unnest(objects.file_ids, objects.erasure_ids) as origins (file_id, erasure_id)
    inner join ledger.erasures
        on
            erasures.erasure_id > origins.erasure_id
            and (origins.file_id = 0 or origins.file_id = any(erasures.file_ids))
)
