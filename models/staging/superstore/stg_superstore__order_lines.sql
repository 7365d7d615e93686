-- Grain: one row per record of a file of superstore.order_lines; none is left out.
-- Only rows with row_status = 'accepted' are sales lines: do not sum over all rows.
-- unit_price is computed and rounded: quantity * unit_price can differ from gross_amount.
{% set delivered = [
    'row_id', 'order_id', 'order_date', 'ship_date', 'ship_mode', 'customer_id', 'customer_name', 'segment', 'country',
    'city', 'state', 'postal_code', 'region', 'product_id', 'category', 'sub_category', 'product_name', 'sales',
    'quantity', 'discount', 'profit',
] %}

-- After a discount of 1 the amount before it is unknown: gross is then the net amount, and the row is flagged.
{% set gross_amount %}
    case
        when discount_rate between 0 and 0.9999
            then {{ fit_decimal(div('net_amount', '1 - discount_rate', *decimal_size('sum_type')), has_scale=true) }}
        when discount_rate = 1 then net_amount
    end
{% endset %}

-- The price is computed; it is negative where quantity and line total have opposite signs.
{% set columns = [
    {'name': 'row_id'},
    {'name': 'order_id', 'required': true},
    {'name': 'product_id', 'required': true},
    {'name': 'product_name'},
    {'name': 'product_category', 'from': 'category'},
    {'name': 'product_subcategory', 'from': 'sub_category'},
    {'name': 'customer_id'},
    {'name': 'customer_name'},
    {'name': 'customer_segment', 'from': 'segment'},
    {'name': 'country'},
    {'name': 'region'},
    {'name': 'state'},
    {'name': 'city'},
    {'name': 'postal_code'},
    {'name': 'ship_mode'},
    {'name': 'currency', 'constant': 'USD'},
    {'name': 'quantity', 'cast': 'integer', 'required': true},
    {'name': 'net_amount', 'from': 'sales', 'cast': 'decimal', 'required': true},
    {'name': 'discount_rate', 'from': 'discount', 'cast': 'decimal(9, 4)', 'required': true},
    {'name': 'gross_amount', 'is': gross_amount},
    {'name': 'discount_amount', 'is': 'gross_amount - net_amount', 'cast': 'decimal', 'checks': [
        ('gross_amount:out_of_range',
            'net_amount is not null and discount_rate between 0 and 1 and discount_amount is null'),
    ]},
    {'name': 'unit_price', 'is': div('gross_amount', 'quantity', *decimal_size('amount_type'))},
    {'name': 'profit', 'cast': 'decimal', 'hidden': true},
    {'name': 'cost_amount', 'is': 'net_amount - profit', 'cast': 'decimal'},
    {'name': 'order_date', 'cast': 'date', 'required': true},
    {'name': 'ship_date', 'cast': 'date'},
] %}

{{ staging_model(
    source('superstore', 'order_lines'), delivered, columns,
    checks=[('gross_amount:unknown_at_full_discount', 'discount_rate = 1')],
    without=[
        'discount_amount:out_of_range', 'order_date:outside_period', 'order_date:after_delivery', 'ship_date:not_a_date',
    ],
) }}
