-- Prevents: a daily figure that is not the sum of its lines.
{{ unbalanced('fact_to_daily', ref('fct_sales_lines'), 'sales lines') }}
