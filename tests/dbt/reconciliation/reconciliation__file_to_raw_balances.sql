-- Prevents: a file whose rows are only partly in its raw table, or raw rows that belong to no active file.
select
    scope,
    rows_difference,
    quantity_difference,
    net_amount_difference
from {{ ref('reconciliation') }}
where arrow = 'file_to_raw' and not is_balanced

union all

-- An arrow without a single line would pass for ever.
select
    'the arrow has no lines, although there are active files' as scope,
    null as rows_difference,
    null as quantity_difference,
    null as net_amount_difference
where
    exists (select 1 as found from {{ source('ledger', 'files') }} where status = 'active')
    and not exists (select 1 as found from {{ ref('reconciliation') }} where arrow = 'file_to_raw')
