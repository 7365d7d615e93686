-- Prevents: an order that lacks lines, counts them twice, or counts fees as sales.
{{ unbalanced('fact_to_orders', ref('fct_sales_lines'), 'sales lines') }}
