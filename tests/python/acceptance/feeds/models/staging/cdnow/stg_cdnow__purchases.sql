-- Grain: one row per record of a file of cdnow.purchases; none is left out.
-- Only rows with row_status = 'accepted' are sales lines: sum nothing over all rows.
{% set delivered_columns = [
    'customer_id', 'date', 'number_of_cds', 'dollar_value',
] %}

with

delivered as (

    select * from {{ source('cdnow', 'purchases') }}

),

typed as (

    select
        {{ sales_line_id() }} as sales_line_id,
        {{ trimmed('customer_id') }} as customer_id,
        {{ try_integer('number_of_cds', 14) }} as quantity,
        cast(null as numeric(18, 4)) as unit_price,
        {{ try_amount('dollar_value', 18, 4, decimal_mark='.') }} as net_amount,
        {{ try_date('date', 'YYYYMMDD') }} as order_date,
        {{ is_blank_record(delivered_columns) }} as is_blank,
        {{ is_repeated_header(delivered_columns) }} as is_repeated_header,
        {{ delivered_values(delivered_columns) }} as delivered_values,
        _file_id,
        _row_number
    from delivered

),

{% set checks = [
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
        cast('USD' as {{ text_type() }}) as currency,
        case
            when is_blank or is_repeated_header then 'skipped'
            when issues <> '' then 'quarantined'
            else 'accepted'
        end as row_status,
        case
            when is_blank then 'row:blank'
            when is_repeated_header then 'row:repeated_header'
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
