-- Prevents: a file whose rows are only partly in its raw table, or raw rows that belong to no active file.
{{ unbalanced('file_to_raw', source('ledger', 'files'), 'active files', "status = 'active'") }}
