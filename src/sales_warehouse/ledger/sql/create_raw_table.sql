-- Lineage comes first, where each row has it at the same place: behind texts of varying length the index costs COPY a
-- second look at each row.
create table {table} (_file_id bigint not null, _row_number bigint not null);
-- The rows of a file, and those of one commit of a segment, are next to each other, so a block range index finds them and
-- hardly slows COPY down.
create index {index} on {table} using brin (_file_id, _row_number) with (pages_per_range = 32);
-- It has no key. Without this, change data capture of all tables would make the server refuse to remove the rows of a file. It
-- costs nothing unless wal_level is logical.
alter table {table} replica identity full;
