-- Grain: one row per record of a file of superstore.order_lines; none is left out.
-- Only rows with row_status = 'accepted' are sales lines: do not sum over all rows.
-- unit_price is computed and rounded: quantity * unit_price can differ from gross_amount.
{% set delivered_columns = [
    'row_id', 'order_id', 'order_date', 'ship_date', 'ship_mode', 'customer_id', 'customer_name', 'segment', 'country',
    'city', 'state', 'postal_code', 'region', 'product_id', 'category', 'sub_category', 'product_name', 'sales',
    'quantity', 'discount', 'profit',
] %}

with

delivered as (

    select * from {{ source('superstore', 'order_lines') }}

),

-- Trimmed here, because each cast uses its text several times. PostgreSQL drops the window when a query does not use
-- row_issues, and never merges a query with a window into the next one, so nothing here is computed twice.
texts as (

    select
        *,
        {{ trimmed('quantity') }} as quantity_text,
        {{ trimmed('sales') }} as net_amount_text,
        {{ trimmed('discount') }} as discount_rate_text,
        {{ trimmed('profit') }} as profit_text,
        {{ trimmed('order_date') }} as order_date_text,
        {{ trimmed('ship_date') }} as ship_date_text,
        row_number() over (
            partition by _file_id, {{ column_list(delivered_columns) }}
            order by _row_number asc nulls last
        ) as occurrence_number
    from delivered

),

typed as (

    select
        {{ sales_line_id() }} as sales_line_id,
        {{ trimmed('row_id') }} as row_id,
        {{ trimmed('order_id') }} as order_id,
        {{ trimmed('product_id') }} as product_id,
        {{ trimmed('product_name') }} as product_name,
        {{ trimmed('category') }} as product_category,
        {{ trimmed('sub_category') }} as product_sub_category,
        {{ trimmed('customer_id') }} as customer_id,
        {{ trimmed('customer_name') }} as customer_name,
        {{ trimmed('segment') }} as customer_segment,
        {{ trimmed('country') }} as country,
        {{ trimmed('region') }} as region,
        {{ trimmed('state') }} as state,
        {{ trimmed('city') }} as city,
        {{ trimmed('postal_code') }} as postal_code,
        {{ trimmed('ship_mode') }} as ship_mode,
        quantity_text,
        -- 14 digits: as many as the canonical numeric(18, 4) has before its decimal point
        {{ try_integer('quantity_text', 14) }} as quantity,
        net_amount_text,
        {{ try_decimal('net_amount_text', 18, 4) }} as net_amount,
        discount_rate_text,
        {{ try_decimal('discount_rate_text', 9, 4) }} as discount_rate,
        profit_text,
        {{ try_decimal('profit_text', 18, 4) }} as profit_amount,
        order_date_text,
        {{ try_date('order_date_text') }} as order_date,
        {{ try_date('ship_date_text') }} as ship_date,
        {{ is_blank_record(delivered_columns) }} as is_blank,
        {{ is_repeated_header(delivered_columns) }} as is_repeated_header,
        {{ has_control_character(delivered_columns) }} as has_control_character,
        {{ delivered_values(delivered_columns) }} as delivered_values,
        occurrence_number,
        {{ computed_once() }} as _computed_once,
        _file_id,
        _row_number
    from texts

),

-- After a discount of 1 the amount before it is unknown: gross is then the net amount, and the row is flagged.
grossed_up as (

    select
        *,
        case
            when discount_rate between 0 and 0.9999
                then {{ fit_decimal(div('net_amount', '1 - discount_rate', 28, 4), 18, 4) }}
            when discount_rate = 1 then net_amount
        end as gross_amount
    from typed

),

priced as (

    select
        *,
        {{ fit_decimal('gross_amount - net_amount', 18, 4) }} as discount_amount,
        {{ fit_decimal('net_amount - profit_amount', 18, 4) }} as cost_amount,
        {{ div('gross_amount', 'quantity', 18, 4) }} as unit_price
    from grossed_up

),

-- The price is computed; it is negative where quantity and line total have opposite signs.
{% set checks = [
    ('order_id:missing', 'order_id is null'),
    ('order_id:too_long', 'length(order_id) > {limit}'),
    ('product_id:missing', 'product_id is null'),
    ('product_id:too_long', 'length(product_id) > {limit}'),
    ('product_name:too_long', 'length(product_name) > {limit}'),
    ('customer_id:too_long', 'length(customer_id) > {limit}'),
    ('country:too_long', 'length(country) > {limit}'),
    ('quantity:missing', 'quantity_text is null'),
    ('quantity:not_an_integer', 'quantity_text is not null and quantity is null'),
    ('net_amount:missing', 'net_amount_text is null'),
    ('net_amount:not_a_decimal', 'net_amount_text is not null and net_amount is null'),
    ('discount_rate:missing', 'discount_rate_text is null'),
    ('discount_rate:not_a_decimal', 'discount_rate_text is not null and discount_rate is null'),
    ('discount_rate:not_between_0_and_1', 'discount_rate not between 0 and 1'),
    ('gross_amount:out_of_range',
        'net_amount is not null and discount_rate between 0 and 1 and discount_amount is null'),
    ('unit_price:negative', 'unit_price < 0'),
    ('unit_price:zero', 'unit_price = 0'),
    ('profit:not_a_decimal', 'profit_text is not null and profit_amount is null'),
    ('cost_amount:out_of_range',
        'net_amount is not null and profit_amount is not null and cost_amount is null'),
    ('order_date:missing', 'order_date_text is null'),
    ('order_date:not_a_date', 'order_date_text is not null and order_date is null'),
    ('order_date:outside_calendar', is_outside_calendar('order_date')),
    ('gross_amount:unknown_at_full_discount', 'discount_rate = 1'),
    ('text:control_character', 'has_control_character'),
    ('row:exact_duplicate', 'occurrence_number > 1'),
] %}

checked as (

    select
        *,
        {{ issue_codes(checks, 'quarantined') }} as issues,
        {{ issue_codes(checks, 'flagged') }} as remarks,
        {{ computed_once() }} as _checked_once
    from priced

),

final as (

    select
        sales_line_id,
        row_id,
        order_id,
        product_id,
        product_name,
        product_category,
        product_sub_category,
        customer_id,
        customer_name,
        customer_segment,
        country,
        region,
        state,
        city,
        postal_code,
        ship_mode,
        cast('USD' as {{ text_type() }}) as currency,
        case
            when is_blank or is_repeated_header then 'skipped'
            when issues <> '' then 'quarantined'
            else 'accepted'
        end as row_status,
        case
            when is_blank then 'row:blank'
            when is_repeated_header then 'row:repeated_header'
            else substring(issues || remarks, 2)
        end as row_issues,
        delivered_values,
        quantity,
        unit_price,
        gross_amount,
        discount_rate,
        discount_amount,
        net_amount,
        cost_amount,
        order_date,
        ship_date,
        _file_id,
        _row_number
    from checked

)

select * from final
