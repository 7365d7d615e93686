-- Prevents: a staging model that filters or doubles rows, or a feed that has no staging model.
select
    scope,
    rows_difference,
    quantity_difference,
    net_amount_difference
from {{ ref('reconciliation') }}
where arrow = 'raw_to_staging' and not is_balanced

union all

-- An arrow without a single line would pass for ever.
select
    'the arrow has no lines, although there are active files' as scope,
    null as rows_difference,
    null as quantity_difference,
    null as net_amount_difference
where
    exists (select 1 as found from {{ source('ledger', 'files') }} where status = 'active')
    and not exists (select 1 as found from {{ ref('reconciliation') }} where arrow = 'raw_to_staging')
