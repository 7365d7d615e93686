-- the files that need a person: held ones, and refused ones that are still the last of their path
select
    count(*) filter (where status = 'held') as held,
    count(*) filter (
        -- what a person refused is decided
        where status = 'refused' and declaration_sha256 <> %s and not exists (
            select from ledger.files as later
            where later.uri = files.uri and later.feed = files.feed and later.file_id > files.file_id
        )
    ) as refused
from ledger.files
where status in ('held', 'refused')
