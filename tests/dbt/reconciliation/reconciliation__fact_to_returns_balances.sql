-- Prevents: a return that is lost, or doubled by a second sale it could belong to.
{{ unbalanced('fact_to_returns', ref('fct_sales_lines'), 'sales lines') }}
