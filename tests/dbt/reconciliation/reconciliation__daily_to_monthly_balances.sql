-- Prevents: a month that is not the sum of its days.
{{ unbalanced('daily_to_monthly', ref('fct_sales_lines'), 'sales lines') }}
