-- What is needed to find a record in its file, and whether this login may see it whole; one row, none for a file without lines.
select
    feed,
    uri,
    sha256,
    is_tracer,
    has_erased,
    rejects
from published.trace_file(%(file_id)s)
