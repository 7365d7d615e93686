-- the given publication, or the one before the current one
select coalesce(%s, max(publications.publication))
from ledger.publications, ledger.current_publication
where pruned_at is null and publications.publication < current_publication.publication
