-- Grain: one row per accepted sales line of any source; all sources in one shape.
-- unit_price must not be summed; amounts only within one currency.
{{ union_sales_lines([
    'int_sales__city_stores_lines_located',
    'int_sales__online_retail_lines_typed',
    'stg_store_orders__order_lines_typed',
    'stg_superstore__order_lines_typed',
    'stg_web_shop__order_events_typed',
]) }}
