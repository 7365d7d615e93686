-- Prevents: a staging model that filters or doubles rows, or a feed that has no staging model.
{{ unbalanced('raw_to_staging', source('ledger', 'files'), 'active files', "status = 'active'") }}
