-- Grain: one row per file with payments.
-- Amounts of different currencies are added up: for comparisons, not for reports.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_file',
) }}
with

payments as (

    select * from {{ ref('fct_payments') }}

),

final as (

    select
        count(*) as row_count,
        cast(sum(quantity) as {{ var('sum_type') }}) as quantity,
        cast(sum(amount) as {{ var('sum_type') }}) as net_amount,
        _file_id
    from payments
    where {{ only_new_files() }}
    group by _file_id

)

select * from final
