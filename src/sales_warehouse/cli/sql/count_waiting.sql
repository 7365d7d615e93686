-- the files that need a person: held ones, and refused ones that are still the last of their path
with entries as (
    select
        status,
        file_id = max(file_id) over (partition by feed, uri) as is_last,
        -- what a person refused is decided
        status = 'refused' and declaration_sha256 = %s as is_closed
    from ledger.files
)

select
    count(*) filter (where status = 'held') as held,
    count(*) filter (where status = 'refused' and is_last and not is_closed) as refused
from entries
