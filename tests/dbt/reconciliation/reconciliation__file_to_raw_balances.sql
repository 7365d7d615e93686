-- Prevents: a file whose rows are only partly in its raw table, or raw rows that belong to no active file.
-- The files of a feed that left the project are in no model; warn_of_undeclared_feeds names them.
{{ unbalanced(
    'file_to_raw', source('ledger', 'files'), 'active files', "status = 'active' and feed in " ~ declared_feeds()
) }}
