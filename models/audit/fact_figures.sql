-- Grain: one row per file, order_date, source_system, country and currency that has a sales line.
-- Amounts may be summed only within one currency.
{{ config(
    materialized='incremental',
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
        count(*) as row_count,
        cast(sum(quantity) as numeric(28, 4)) as quantity,
        cast(sum(net_amount) as numeric(28, 4)) as net_amount,
        order_date,
        _file_id
    from lines
    where {{ only_new_files() }}
    group by source_system, coalesce(country, 'unknown'), currency, order_date, _file_id

)

select * from final
