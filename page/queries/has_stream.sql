-- Whether messages of a topic were ever taken in; one row.
select published.has_stream() as has_stream
