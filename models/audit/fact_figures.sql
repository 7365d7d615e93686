-- Grain: one row per file, order_date, source_system, country, currency and has_order that has a sales line.
-- Amounts may be summed only within one currency.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_file',
) }}
with

lines as (

    select * from {{ ref('fct_sales_lines') }}

),

final as (

    select
        source_system,
        -- part of the key, so never NULL
        coalesce(country, 'unknown') as country,
        currency,
        -- lines without one are in no row of fct_orders
        order_id is not null as has_order,
        count(*) as row_count,
        cast(sum(quantity) as {{ var('sum_type') }}) as quantity,
        cast(sum(net_amount) as {{ var('sum_type') }}) as net_amount,
        cast(sum(net_amount_reporting) as {{ var('sum_type') }}) as net_amount_reporting,
        count(case when is_merchandise then 1 end) as merchandise_row_count,
        cast(sum(case when is_merchandise then quantity else 0 end) as {{ var('sum_type') }}) as merchandise_quantity,
        cast(sum(case when is_merchandise then net_amount else 0 end) as {{ var('sum_type') }}) as net_sales_amount,
        cast(sum(case when is_merchandise then net_amount_reporting else 0 end) as {{ var('sum_type') }})
            as net_sales_amount_reporting,
        count(case when is_merchandise and line_type in ('return', 'cancellation') then 1 end) as return_row_count,
        cast(
            sum(case when is_merchandise and line_type in ('return', 'cancellation') then -quantity else 0 end)
            as {{ var('sum_type') }}
        ) as return_quantity,
        cast(
            sum(case when is_merchandise and line_type in ('return', 'cancellation') then -net_amount else 0 end)
            as {{ var('sum_type') }}
        ) as return_amount,
        cast(
            sum(
                case
                    when is_merchandise and line_type in ('return', 'cancellation') then -net_amount_reporting else 0
                end
            ) as {{ var('sum_type') }}
        ) as return_amount_reporting,
        order_date,
        _file_id
    from lines
    where {{ only_new_files() }}
    group by source_system, coalesce(country, 'unknown'), currency, order_id is not null, order_date, _file_id

)

select * from final
