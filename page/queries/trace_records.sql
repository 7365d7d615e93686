-- The records of some rows of one file, as they were delivered; personal values for logins with the role tracer only.
select
    file,
    row_number,
    delivered
from published.trace_lines(%(file_id)s, cast(%(row_numbers)s as bigint []))
