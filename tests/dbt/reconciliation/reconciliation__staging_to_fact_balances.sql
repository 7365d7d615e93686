-- Prevents: an accepted line that never reaches the facts, arrives twice, or arrives with another amount.
select
    scope,
    rows_difference,
    quantity_difference,
    net_amount_difference
from {{ ref('reconciliation') }}
where arrow = 'staging_to_fact' and not is_balanced

union all

-- An arrow without a single line would pass for ever.
select
    'the arrow has no lines, although there are active files' as scope,
    null as rows_difference,
    null as quantity_difference,
    null as net_amount_difference
where
    exists (select 1 as found from {{ source('ledger', 'files') }} where status = 'active')
    and not exists (select 1 as found from {{ ref('reconciliation') }} where arrow = 'staging_to_fact')
