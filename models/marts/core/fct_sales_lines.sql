-- Grain: one row per accepted sales line.
-- unit_price must not be summed; amounts only within one currency; cost_amount is NULL where a source does not tell it.
{{ config(
    materialized='incremental',
    incremental_strategy='by_file',
    meta={'date_column': 'order_date'},
    indexes=[{'columns': ['_file_id'], 'type': 'brin'}, {'columns': ['order_date']}],
) }}
with

lines as (

    select * from {{ ref('int_sales__lines_unioned') }}

),

final as (

    select
        sales_line_id,
        source_system,
        order_id,
        line_type,
        ordered_at,
        order_date,
        customer_id,
        {{ member_key('source_system', 'customer_id') }} as customer_key,
        product_id,
        {{ member_key('source_system', 'product_id') }} as product_key,
        product_name,
        channel,
        country,
        quantity,
        unit_price,
        gross_amount,
        discount_amount,
        net_amount,
        cost_amount,
        currency,
        _file_id,
        _row_number
    from lines
    where {{ only_new_files() }}

)

select * from final
