-- What the lake keeps beside Iceberg's catalogue. Every statement may run again.

-- The one lake of this database; the folder has the same id in a file, so that no other warehouse's folder is taken for it.
create table if not exists lake.lake (
    is_the_row boolean primary key default true check (is_the_row),
    lake_id text not null,
    location text not null
);

-- Objects that are complete and were compared with the rows in PostgreSQL. One without a row here does not count.
create table if not exists lake.objects (
    uri text primary key,
    -- of the catalogue: raw.<table> or ledger.<table>
    table_name text not null,
    -- several where files are small; 0: a table of the ledger, as a whole
    file_ids bigint[] not null,
    -- of each file the last event that changed its rows, and the last erasure in it: with another one they are read again
    event_ids bigint[] not null,
    erasure_ids bigint[] not null,
    -- of the raw table: an object that was written before one was added does not have its values
    not_null_columns text[] not null,
    row_count bigint not null check (row_count >= 0),
    size_bytes bigint not null check (size_bytes >= 0),
    -- of the object's bytes, and of its rows as COPY writes them
    sha256 text not null,
    rows_sha256 text not null,
    written_at timestamptz not null default clock_timestamp()
);
create index if not exists objects_of_table on lake.objects (table_name);
