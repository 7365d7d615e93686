-- Prevents: a month that is not the sum of its days.
select
    scope,
    rows_difference,
    quantity_difference,
    net_amount_difference
from {{ ref('reconciliation') }}
where arrow = 'daily_to_monthly' and not is_balanced

union all

-- An arrow without a single line would pass for ever.
select
    'the arrow has no lines, although there are sales lines' as scope,
    null as rows_difference,
    null as quantity_difference,
    null as net_amount_difference
where
    exists (select 1 as found from {{ ref('fct_sales_lines') }})
    and not exists (select 1 as found from {{ ref('reconciliation') }} where arrow = 'daily_to_monthly')
