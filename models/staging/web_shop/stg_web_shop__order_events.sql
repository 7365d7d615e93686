-- Grain: one row per line of an event of web_shop.order_events; none is left out.
-- Each event contains the whole order, and int_events__records_decided says which count: do not sum over all rows.
{% set delivered_columns = [
    'event_id', 'event_type', 'order_id', 'ordered_at', 'store', 'channel', 'customer_id', 'country', 'currency',
    'product_id', 'product_name', 'quantity', 'unit_price', 'discount_amount',
] %}

with

delivered as (

    select * from {{ source('web_shop', 'order_events') }}

),

arrivals as (

    select
        file_id,
        started_at as delivered_at
    from {{ source('ledger', 'files') }}

),

-- Trimmed here, because each cast uses its text several times. PostgreSQL drops the window when a query does not use
-- row_issues, and never merges a query with a window into the next one, so nothing here is computed twice.
-- A duplicate is a line of the same message: where a segment begins and ends must not matter.
texts as (

    select
        *,
        {{ trimmed('ordered_at') }} as ordered_at_text,
        {{ trimmed('quantity') }} as quantity_text,
        {{ trimmed('unit_price') }} as unit_price_text,
        {{ trimmed('discount_amount') }} as discount_amount_text,
        row_number() over (
            partition by _file_id, _row_number, {{ column_list(delivered_columns) }}
            order by _item_number asc nulls last
        ) as occurrence_number
    from delivered

),

typed as (

    select
        {{ sales_line_id(item_number='_item_number') }} as sales_line_id,
        {{ trimmed('event_id') }} as event_id,
        {{ trimmed('event_type') }} as event_type,
        {{ trimmed('order_id') }} as order_id,
        {{ trimmed('store') }} as store,
        {{ trimmed('channel') }} as channel_text,
        {{ trimmed('customer_id') }} as customer_id,
        {{ trimmed('country') }} as country,
        {{ trimmed('currency') }} as currency,
        {{ trimmed('product_id') }} as product_id,
        {{ trimmed('product_name') }} as product_name,
        quantity_text,
        -- 14 digits: as many as the canonical numeric(18, 4) has before its decimal point
        {{ try_integer('quantity_text', 14) }} as quantity,
        unit_price_text,
        {{ try_decimal('unit_price_text', 18, 4) }} as unit_price,
        discount_amount_text,
        -- an event without discount need not say so
        {{ try_decimal("coalesce(discount_amount_text, '0')", 18, 4) }} as discount_amount,
        ordered_at_text,
        -- the clock of the store: an order belongs to the day on which it was made there
        {{ try_wall_clock('ordered_at_text') }} as ordered_at,
        {{ utc_clock('_sent_at') }} as sent_at,
        {{ has_control_character(delivered_columns) }} as has_control_character,
        {{ delivered_values(delivered_columns) }} as delivered_values,
        occurrence_number,
        {{ computed_once() }} as _computed_once,
        _file_id,
        _row_number,
        _item_number,
        _topic,
        _partition,
        _offset
    from texts

),

multiplied as (

    select
        *,
        cast(ordered_at as date) as order_date,
        {{ fit_decimal('cast(quantity as numeric(18, 4)) * unit_price', 18, 4) }} as gross_amount
    from typed

),

priced as (

    select
        *,
        {{ fit_decimal('gross_amount - discount_amount', 18, 4) }} as net_amount
    from multiplied

),

-- A staging model joins nothing but the ledger. file_id is the key of the ledger, so no row is lost or doubled;
-- PostgreSQL leaves the join out when a query does not use row_issues.
placed as (

    select
        priced.*,
        arrivals.delivered_at
    from priced
    left join arrivals
        on priced._file_id = arrivals.file_id

),

{% set checks = [
    ('event_id:missing', 'event_id is null'),
    ('event_type:unknown',
        "coalesce(event_type, '') not in ('order_placed', 'order_corrected', 'order_cancelled')"),
    ('sent_at:after_delivery', is_after_delivery('cast(sent_at as date)', 'delivered_at')),
    ('order_id:missing', 'order_id is null'),
    ('order_id:too_long', 'length(order_id) > {limit}'),
    ('product_id:missing', 'product_id is null'),
    ('product_id:too_long', 'length(product_id) > {limit}'),
    ('product_name:too_long', 'length(product_name) > {limit}'),
    ('customer_id:too_long', 'length(customer_id) > {limit}'),
    ('country:too_long', 'length(country) > {limit}'),
    ('currency:missing', 'currency is null'),
    ('currency:unknown', is_unknown_currency('currency')),
    ('quantity:missing', 'quantity_text is null'),
    ('quantity:not_an_integer', 'quantity_text is not null and quantity is null'),
    ('unit_price:missing', 'unit_price_text is null'),
    ('unit_price:not_a_decimal', 'unit_price_text is not null and unit_price is null'),
    ('unit_price:negative', 'unit_price < 0'),
    ('unit_price:zero', 'unit_price = 0'),
    ('discount_amount:not_a_decimal', 'discount_amount is null'),
    ('gross_amount:out_of_range', 'quantity is not null and unit_price is not null and gross_amount is null'),
    ('net_amount:out_of_range', 'gross_amount is not null and discount_amount is not null and net_amount is null'),
    ('ordered_at:missing', 'ordered_at_text is null'),
    ('ordered_at:not_a_timestamp', 'ordered_at_text is not null and ordered_at is null'),
    ('order_date:outside_calendar', is_outside_calendar('order_date')),
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

-- A cancellation needs its keys and a time: what is wrong with a line that is no sale does not matter.
judged as (

    select
        *,
        coalesce(
            event_type = 'order_cancelled' and event_id is not null and order_id is not null
            and position('sent_at:after_delivery' in issues) = 0,
            false
        ) as is_cancelled
    from checked

),

final as (

    select
        sales_line_id,
        event_id,
        event_type,
        order_id,
        store,
        case when channel_text in ('online', 'store') then channel_text else 'unknown' end as channel,
        customer_id,
        country,
        product_id,
        product_name,
        currency,
        case
            when is_cancelled then 'skipped'
            when issues <> '' then 'quarantined'
            else 'accepted'
        end as row_status,
        case
            when is_cancelled then 'order:cancelled'
            else substring(issues || remarks, 2)
        end as row_issues,
        delivered_values,
        quantity,
        unit_price,
        gross_amount,
        discount_amount,
        net_amount,
        order_date,
        ordered_at,
        sent_at,
        _file_id,
        _row_number,
        _item_number,
        _topic,
        _partition,
        _offset
    from judged

)

select * from final
