-- Prevents: an accepted line that never reaches the facts, arrives twice, or arrives with another amount.
{{ unbalanced('staging_to_fact', source('ledger', 'files'), 'active files', "status = 'active'") }}
