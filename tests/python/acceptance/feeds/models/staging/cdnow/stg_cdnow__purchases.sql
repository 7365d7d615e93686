-- Grain: one row per record of a file of cdnow.purchases; none is left out.
-- Only rows with row_status = 'accepted' are sales lines: do not sum over all rows.
{% set delivered = ['customer_id', 'date', 'number_of_cds', 'dollar_value'] %}

-- a purchase has no number: it is what a customer bought on a day; the shop sells compact discs and nothing else
{% set columns = [
    {'name': 'order_id', 'is': key_of(['customer_id', 'date']), 'required': true},
    {'name': 'product_id', 'constant': 'CD'},
    {'name': 'customer_id'},
    {'name': 'channel', 'constant': 'online'},
    {'name': 'currency', 'constant': 'USD'},
    {'name': 'quantity', 'from': 'number_of_cds', 'cast': 'integer', 'required': true},
    {'name': 'net_amount', 'from': 'dollar_value', 'cast': 'amount', 'decimal_mark': '.', 'required': true},
    {'name': 'order_date', 'from': 'date', 'cast': 'date', 'format': 'YYYYMMDD', 'required': true},
] %}

{{ staging_model(source('cdnow', 'purchases'), delivered, columns) }}
