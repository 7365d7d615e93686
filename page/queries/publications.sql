-- The publications that are kept, the newest first.
select
    publication,
    published_at,
    files,
    is_current
from published.publications
order by publication desc
