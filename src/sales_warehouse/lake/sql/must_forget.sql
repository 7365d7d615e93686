-- Objects that have a person who was erased since, and that no grace period keeps.
select exists (
    select from lake.objects
    where
        erasure_id < (select coalesce(max(erasures.erasure_id), 0) from ledger.erasures
            where objects.file_id is null or objects.file_id = any(erasures.file_ids))
)
