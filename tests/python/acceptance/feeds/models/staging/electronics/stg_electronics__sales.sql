-- Grain: one row per record of a file of electronics.sales; none is left out.
-- Only rows with row_status = 'accepted' are sales lines: sum nothing over all rows.
{% set delivered_columns = [
    'customer_id', 'age', 'sku', 'order_status', 'total_price', 'unit_price', 'quantity', 'purchase_date',
] %}

with

delivered as (

    select * from {{ source('electronics', 'sales') }}

),

typed as (

    select
        {{ sales_line_id() }} as sales_line_id,
        {{ trimmed('customer_id') }} as customer_id,
        {{ trimmed('sku') }} as product_id,
        {{ trimmed('product_type') }} as product_name,
        {{ trimmed('order_status') }} as order_status,
        {{ try_integer('quantity', 14) }} as quantity,
        {{ try_decimal('unit_price', 18, 4) }} as unit_price,
        {{ try_decimal('total_price', 18, 4) }} as net_amount,
        {{ try_date('purchase_date') }} as order_date,
        {{ is_blank_record(delivered_columns) }} as is_blank,
        {{ is_repeated_header(delivered_columns) }} as is_repeated_header,
        {{ delivered_values(delivered_columns) }} as delivered_values,
        _file_id,
        _row_number
    from delivered

),

{% set checks = [
    ('order_status:unknown', "coalesce(order_status, '') not in ('Completed', 'Cancelled')"),
    ('quantity:not_an_integer', 'quantity is null'),
    ('net_amount:not_a_decimal', 'net_amount is null'),
    ('order_date:not_a_date', 'order_date is null'),
    ('order_date:outside_calendar', is_outside_calendar('order_date')),
] %}

checked as (

    select
        *,
        {{ issue_codes(checks, 'quarantined') }} as issues
    from typed

),

final as (

    select
        sales_line_id,
        customer_id,
        product_id,
        product_name,
        order_status,
        cast('USD' as {{ text_type() }}) as currency,
        case
            when is_blank or is_repeated_header then 'skipped'
            -- cancelled before it was sold: neither a sale nor one taken back
            when issues = '' and order_status = 'Cancelled' then 'skipped'
            when issues <> '' then 'quarantined'
            else 'accepted'
        end as row_status,
        case
            when is_blank then 'row:blank'
            when is_repeated_header then 'row:repeated_header'
            when issues = '' and order_status = 'Cancelled' then 'order_status:cancelled'
            else substring(issues, 2)
        end as row_issues,
        delivered_values,
        quantity,
        unit_price,
        net_amount,
        order_date,
        _file_id,
        _row_number
    from checked

)

select * from final
