-- Grain: one row per record of a file of city_stores.receipt_lines; none is left out.
-- Only rows with row_status = 'accepted' are sales lines: do not sum over all rows.
{% set delivered = [
    'receipt', 'store', 'sold_at', 'article', 'article_name', 'category', 'sub_category', 'pieces', 'price', 'discount',
    'promotion', 'tax', 'return_reason',
] %}

-- order_date is the day on the calendar; that of the store is decided with the list of stores
{% set columns = [
    {'name': 'order_id', 'from': 'receipt', 'required': true},
    {'name': 'store_id', 'from': 'store', 'required': true},
    {'name': 'product_id', 'from': 'article', 'required': true},
    {'name': 'product_name', 'from': 'article_name'},
    {'name': 'product_category', 'from': 'category'},
    {'name': 'product_subcategory', 'from': 'sub_category'},
    {'name': 'promotion_code', 'from': 'promotion'},
    {'name': 'return_reason'},
    {'name': 'channel', 'constant': 'store'},
    {'name': 'currency', 'constant': 'EUR'},
    {'name': 'quantity', 'from': 'pieces', 'cast': 'integer', 'required': true},
    {'name': 'unit_price', 'from': 'price', 'cast': 'decimal', 'required': true},
    {'name': 'discount_amount', 'from': 'discount', 'cast': 'decimal', 'default': '0'},
    {'name': 'tax_amount', 'from': 'tax', 'cast': 'decimal'},
    {'name': 'gross_amount', 'is': multiply('quantity', 'unit_price'), 'cast': 'decimal'},
    {'name': 'net_amount', 'is': 'gross_amount - discount_amount', 'cast': 'decimal'},
    {'name': 'ordered_at', 'from': 'sold_at', 'cast': 'timestamp', 'format': 'YYYY-MM-DD HH24:MI', 'required': true},
    {'name': 'order_date', 'is': 'ordered_at', 'cast': 'date'},
] %}

{{ staging_model(source('city_stores', 'receipt_lines'), delivered, columns) }}
