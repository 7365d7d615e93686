-- Prevents: a staging model that filters or doubles rows, or a feed that has no staging model.
with

arrow_lines as (

    select
        scope,
        rows_difference,
        quantity_difference,
        net_amount_difference,
        is_balanced
    from {{ ref('reconciliation') }}
    where arrow = 'raw_to_staging'

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
