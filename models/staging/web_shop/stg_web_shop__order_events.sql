-- Grain: one row per line of an event of web_shop.order_events; none is left out.
-- Each event contains the whole order, and int_events__records_decided says which count: do not sum over all rows.
{% set delivered = [
    'event_id', 'event_type', 'order_id', 'ordered_at', 'store', 'channel', 'customer_id', 'country', 'currency',
    'product_id', 'product_name', 'quantity', 'unit_price', 'discount_amount',
] %}

-- A cancellation needs its keys and a time: what is wrong with a line that is no sale does not matter.
{% set is_cancelled %}
    event_type = 'order_cancelled' and event_id is not null and order_id is not null
    and position('sent_at:after_delivery' in issues) = 0
{% endset %}

-- An event without discount need not say so. ordered_at is the clock of the store: an order belongs to the day on which
-- it was made there.
{% set columns = [
    {'name': 'event_id', 'required': true},
    {'name': 'event_type', 'accepted': ['order_placed', 'order_corrected', 'order_cancelled']},
    {'name': 'sent_at', 'is': utc_clock('_sent_at')},
    {'name': 'order_id', 'required': true},
    {'name': 'store_id', 'from': 'store'},
    {'name': 'channel', 'from': 'channel',
        'is': "case when channel_text in ('online', 'store') then channel_text else 'unknown' end"},
    {'name': 'product_id', 'required': true},
    {'name': 'product_name'},
    {'name': 'customer_id'},
    {'name': 'country'},
    {'name': 'currency', 'required': true},
    {'name': 'quantity', 'cast': 'integer', 'required': true},
    {'name': 'unit_price', 'cast': 'decimal', 'required': true},
    {'name': 'discount_amount', 'cast': 'decimal', 'default': '0'},
    {'name': 'gross_amount', 'is': multiply('quantity', 'unit_price'), 'cast': 'decimal'},
    {'name': 'net_amount', 'is': 'gross_amount - discount_amount', 'cast': 'decimal'},
    {'name': 'ordered_at', 'cast': 'wall_clock', 'required': true},
    {'name': 'order_date', 'is': 'ordered_at', 'cast': 'date'},
] %}

{{ staging_model(
    source('web_shop', 'order_events'), delivered, columns,
    checks=[('order:cancelled', is_cancelled)],
    without=['row:blank', 'row:repeated_header', 'order_date:outside_period'],
    lineage=['_item_number', '_topic', '_partition', '_offset'],
) }}
