-- Prevents: a file whose rows are only partly in its raw table, or raw rows that belong to no active file.
with

arrow_lines as (

    select
        scope,
        rows_difference,
        quantity_difference,
        net_amount_difference,
        is_balanced
    from {{ ref('reconciliation') }}
    where arrow = 'file_to_raw'

),

-- what the arrow must have lines for
reasons as (

    select count(*) as reason_count
    from {{ source('ledger', 'files') }}
    where status = 'active'

),

final as (

    select
        scope,
        rows_difference,
        quantity_difference,
        net_amount_difference
    from arrow_lines
    where not is_balanced

    union all

    -- without this, an arrow that compares nothing would pass for ever
    select
        'the arrow has no lines, although there are active files' as scope,
        null as rows_difference,
        null as quantity_difference,
        null as net_amount_difference
    from reasons
    where reason_count > 0 and not exists (select 1 as found from arrow_lines)

)

select * from final
