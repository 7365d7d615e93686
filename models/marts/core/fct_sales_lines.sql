-- Grain: one row per accepted sales line.
-- unit_price and fx_rate must not be summed; amounts only within one currency, except net_amount_reporting.
-- tax_amount and shipping_amount are beside net_amount, not in it; they and cost_amount are NULL where there is none.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_file',
    meta={'date_column': 'order_date'},
    indexes=[{'columns': ['_file_id'], 'type': 'brin'}, {'columns': ['order_date']}, {'columns': ['customer_key']}],
) }}
with

lines as (

    select * from {{ ref('int_sales__lines_unioned') }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

final as (

    select
        lines.sales_line_id,
        lines.source_system,
        lines.store_id,
        {{ member_key('lines.source_system', 'lines.store_id') }} as store_key,
        lines.order_id,
        lines.line_type,
        lines.ordered_at,
        lines.order_date,
        lines.customer_id,
        {{ member_key('lines.source_system', 'lines.customer_id') }} as customer_key,
        lines.customer_segment,
        lines.product_id,
        {{ member_key('lines.source_system', 'lines.product_id') }} as product_key,
        lines.product_name,
        lines.product_category,
        lines.product_subcategory,
        lines.channel,
        lines.country,
        lines.region,
        lines.promotion_code,
        lines.return_reason,
        lines.quantity,
        lines.unit_price,
        lines.gross_amount,
        lines.discount_amount,
        lines.net_amount,
        lines.tax_amount,
        lines.shipping_amount,
        lines.cost_amount,
        lines.currency,
        exchange_rates.fx_rate,
        -- the cast rounds, once
        cast(lines.net_amount * exchange_rates.fx_rate as {{ var('sum_type') }}) as net_amount_reporting,
        lines.is_merchandise,
        lines._file_id,
        lines._row_number
    from lines
    -- one rate per currency and day (tested), so no line is doubled; a test reports a line without a rate
    left join exchange_rates
        on lines.currency = exchange_rates.currency and lines.order_date = exchange_rates.rate_date
    where not lines.is_payment and {{ only_new_files('lines._file_id') }}

)

select * from final
