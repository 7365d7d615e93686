-- Grain: one row per record of a file of store_orders.order_lines; none is left out.
-- Only rows with row_status = 'accepted' are sales lines: do not sum over all rows.
{% set delivered_columns = [
    'order_id', 'product', 'quantity_ordered', 'price_each', 'order_date', 'purchase_address',
] %}

with

delivered as (

    select * from {{ source('store_orders', 'order_lines') }}

),

arrivals as (

    select
        file_id,
        period_start_date,
        period_end_date,
        started_at as delivered_at
    from {{ source('ledger', 'files') }}

),

-- Trimmed here, because each cast uses its text several times. PostgreSQL drops the window when a query does not use
-- row_issues, and never merges a query with a window into the next one, so nothing here is computed twice.
texts as (

    select
        *,
        {{ trimmed('quantity_ordered') }} as quantity_text,
        {{ trimmed('price_each') }} as unit_price_text,
        {{ trimmed('order_date') }} as ordered_at_text,
        row_number() over (
            partition by _file_id, {{ column_list(delivered_columns) }}
            order by _row_number asc nulls last
        ) as occurrence_number
    from delivered

),

-- MM/DD/YY HH24:MI in ISO order; a text of any other format becomes NULL here and is quarantined below.
rearranged as (

    select
        *,
        case
            when ordered_at_text like '__/__/__ __:__'
                then
                    {{ full_year('substring(ordered_at_text, 7, 2)') }}
                    || '-' || substring(ordered_at_text, 1, 2)
                    || '-' || substring(ordered_at_text, 4, 2)
                    || substring(ordered_at_text, 9, 6) || ':00'
        end as ordered_at_iso_text,
        {{ computed_once() }} as _computed_once
    from texts

),

typed as (

    select
        {{ sales_line_id() }} as sales_line_id,
        {{ trimmed('order_id') }} as order_id,
        {{ trimmed('product') }} as product_name,
        {{ trimmed('purchase_address') }} as purchase_address,
        quantity_text,
        -- 14 digits: as many as the canonical numeric(18, 4) has before its decimal point
        {{ try_integer('quantity_text', 14) }} as quantity,
        unit_price_text,
        {{ try_decimal('unit_price_text', 18, 4) }} as unit_price,
        ordered_at_text,
        {{ try_timestamp('ordered_at_iso_text') }} as ordered_at,
        {{ is_blank_record(delivered_columns) }} as is_blank,
        {{ is_repeated_header(delivered_columns) }} as is_repeated_header,
        {{ has_control_character(delivered_columns) }} as has_control_character,
        {{ delivered_values(delivered_columns) }} as delivered_values,
        occurrence_number,
        {{ computed_once() }} as _computed_once,
        _file_id,
        _row_number
    from rearranged

),

priced as (

    select
        *,
        cast(ordered_at as date) as order_date,
        {{ fit_decimal('cast(quantity as numeric(18, 4)) * unit_price', 18, 4) }} as net_amount
    from typed

),

-- A staging model joins nothing but the ledger. file_id is the key of the ledger, so no row is lost or doubled;
-- PostgreSQL leaves the join out when a query does not use row_issues.
placed as (

    select
        priced.*,
        arrivals.period_start_date,
        arrivals.period_end_date,
        arrivals.delivered_at
    from priced
    left join arrivals
        on priced._file_id = arrivals.file_id

),

{% set checks = [
    ('order_id:missing', 'order_id is null'),
    ('order_id:too_long', 'length(order_id) > {limit}'),
    ('product_id:missing', 'product_name is null'),
    ('product_id:too_long', 'length(product_name) > {limit}'),
    ('quantity:missing', 'quantity_text is null'),
    ('quantity:not_an_integer', 'quantity_text is not null and quantity is null'),
    ('unit_price:missing', 'unit_price_text is null'),
    ('unit_price:not_a_decimal', 'unit_price_text is not null and unit_price is null'),
    ('unit_price:negative', 'unit_price < 0'),
    ('unit_price:zero', 'unit_price = 0'),
    ('net_amount:out_of_range', 'quantity is not null and unit_price is not null and net_amount is null'),
    ('ordered_at:missing', 'ordered_at_text is null'),
    ('ordered_at:not_a_timestamp', 'ordered_at_text is not null and ordered_at is null'),
    ('order_date:outside_calendar', is_outside_calendar('order_date')),
    ('order_date:outside_period', 'order_date not between period_start_date and period_end_date'),
    ('order_date:after_delivery', is_after_delivery('order_date', 'delivered_at')),
    ('text:control_character', 'has_control_character'),
    ('row:exact_duplicate', 'occurrence_number > 1'),
] %}

checked as (

    select
        *,
        {{ issue_codes(checks, 'quarantined') }} as issues,
        {{ issue_codes(checks, 'flagged') }} as remarks,
        {{ computed_once() }} as _checked_once
    from placed

),

final as (

    select
        sales_line_id,
        order_id,
        -- the tills send no product code, so the name is the id
        product_name as product_id,
        product_name,
        purchase_address,
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
        net_amount,
        order_date,
        ordered_at,
        _file_id,
        _row_number
    from checked

)

select * from final
