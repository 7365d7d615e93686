-- Prevents: an order that lacks lines, counts them twice, or takes fees for sales.
{{ unbalanced('fact_to_orders', ref('fct_sales_lines'), 'sales lines') }}
