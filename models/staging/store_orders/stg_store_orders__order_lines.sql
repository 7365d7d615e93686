-- Grain: one row per record of a file of store_orders.order_lines; none is left out.
-- Only rows with row_status = 'accepted' are sales lines: do not sum over all rows.
{% set delivered = ['order_id', 'product', 'quantity_ordered', 'price_each', 'order_date', 'purchase_address'] %}

-- the tills send no product code, so the name is the id; every purchase address is in the United States
{% set columns = [
    {'name': 'order_id', 'required': true},
    {'name': 'product_name', 'from': 'product'},
    {'name': 'product_id', 'is': 'product_name', 'required': true},
    {'name': 'purchase_address'},
    {'name': 'channel', 'constant': 'store'},
    {'name': 'country', 'constant': 'United States'},
    {'name': 'currency', 'constant': 'USD'},
    {'name': 'quantity', 'from': 'quantity_ordered', 'cast': 'integer', 'required': true},
    {'name': 'unit_price', 'from': 'price_each', 'cast': 'decimal', 'required': true},
    {'name': 'net_amount', 'is': multiply('quantity', 'unit_price'), 'cast': 'decimal'},
    {'name': 'ordered_at', 'from': 'order_date', 'cast': 'timestamp', 'format': 'MM/DD/YY HH24:MI', 'required': true},
    {'name': 'order_date', 'is': 'ordered_at', 'cast': 'date'},
] %}

{{ staging_model(source('store_orders', 'order_lines'), delivered, columns, without=['product_name:too_long']) }}
