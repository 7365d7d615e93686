-- Grain: one row per record of a file of electronics.sales; none is left out.
-- Only rows with row_status = 'accepted' are sales lines: do not sum over all rows.
{% set delivered = [
    'customer_id', 'age', 'gender', 'loyalty_member', 'product_type', 'sku', 'rating', 'order_status', 'payment_method',
    'total_price', 'unit_price', 'quantity', 'purchase_date', 'shipping_type', 'add_ons_purchased', 'add_on_total',
] %}

-- an order has no number: it is what a customer bought of a product on a day
{% set columns = [
    {'name': 'order_id', 'is': key_of(['customer_id', 'purchase_date', 'sku']), 'required': true},
    {'name': 'product_id', 'from': 'sku', 'required': true},
    {'name': 'product_name', 'from': 'product_type'},
    {'name': 'customer_id'},
    {'name': 'order_status', 'accepted': ['Completed', 'Cancelled']},
    {'name': 'channel', 'constant': 'online'},
    {'name': 'currency', 'constant': 'USD'},
    {'name': 'quantity', 'cast': 'integer', 'required': true},
    {'name': 'unit_price', 'cast': 'decimal', 'required': true},
    {'name': 'net_amount', 'from': 'total_price', 'cast': 'decimal', 'required': true},
    {'name': 'order_date', 'from': 'purchase_date', 'cast': 'date', 'required': true},
] %}

-- cancelled before it was sold: neither a sale nor one taken back
{{ staging_model(
    source('electronics', 'sales'), delivered, columns,
    checks=[('order_status:cancelled', "issues = '' and order_status = 'Cancelled'")],
) }}
