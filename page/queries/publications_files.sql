-- The files that are in one of two publications only, or were changed between them.
select
    what,
    feed,
    delivery_key,
    uri
from published_as_of.changed_files(%(before)s, %(after)s)
order by feed, delivery_key, what, uri
