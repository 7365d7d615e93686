-- Grain: one row per record of a file of online_retail.invoice_lines; none is left out.
-- Only rows with row_status = 'accepted' are sales lines: do not sum over all rows.
{% set delivered = [
    'invoice_no', 'stock_code', 'description', 'quantity', 'invoice_date', 'unit_price', 'customer_id', 'country',
] %}

-- spreadsheets write numbers of customers as 17850.0
{% set customer_id %}
    case
        when {{ matches('customer_id_text', '^[0-9]+[.]0$') }}
            then substring(customer_id_text, 1, length(customer_id_text) - 2)
        else customer_id_text
    end
{% endset %}

{% set columns = [
    {'name': 'order_id', 'from': 'invoice_no', 'required': true},
    {'name': 'product_id', 'from': 'stock_code', 'required': true},
    {'name': 'product_name', 'from': 'description'},
    {'name': 'customer_id', 'from': 'customer_id', 'is': customer_id},
    {'name': 'country'},
    {'name': 'currency', 'constant': 'GBP'},
    {'name': 'quantity', 'cast': 'integer', 'required': true},
    {'name': 'unit_price', 'cast': 'decimal', 'required': true},
    {'name': 'net_amount', 'is': multiply('quantity', 'unit_price'), 'cast': 'decimal'},
    {'name': 'is_cancellation', 'is': "coalesce(order_id like 'C%', false)"},
    {'name': 'ordered_at', 'from': 'invoice_date', 'cast': 'timestamp', 'required': true},
    {'name': 'order_date', 'is': 'ordered_at', 'cast': 'date'},
] %}

{{ staging_model(source('online_retail', 'invoice_lines'), delivered, columns) }}
