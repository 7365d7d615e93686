-- Grain: one row per accepted payment line of any source; redeemed vouchers among them. Payments are no sales.
-- Amounts may be summed only within one currency, except amount_reporting.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_file',
    meta={'date_column': 'payment_date'},
    indexes=[{'columns': ['_file_id'], 'type': 'brin'}],
) }}
with

payments as (

    select * from {{ ref('int_sales__lines_unioned') }}
    where is_payment and {{ only_new_files() }}

),

exchange_rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

final as (

    select
        payments.sales_line_id as payment_id,
        payments.source_system,
        payments.order_id,
        coalesce(payments.payment_method, 'unknown') as payment_method,
        payments.ordered_at as paid_at,
        payments.order_date as payment_date,
        payments.quantity,
        payments.net_amount as amount,
        payments.currency,
        exchange_rates.fx_rate,
        -- the cast rounds, once
        cast(payments.net_amount * exchange_rates.fx_rate as {{ var('sum_type') }}) as amount_reporting,
        payments._file_id,
        payments._row_number
    from payments
    -- one rate per currency and day (tested), so no payment is doubled; a test reports one without a rate
    left join exchange_rates
        on payments.currency = exchange_rates.currency and payments.order_date = exchange_rates.rate_date

)

select * from final
