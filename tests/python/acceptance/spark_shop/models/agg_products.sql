{{ config(materialized='incremental', incremental_strategy='merge', unique_key='product_id') }}
-- Grain: one row per product. Only products with new lines are merged.
with sales_lines as (
    select * from {{ ref('sales_lines') }}
)

select
    product_id,
    count(*) as line_count,
    cast(sum(net_amount) as decimal(28, 4)) as net_amount
from sales_lines
{% if is_incremental() %}
where product_id in (select product_id from sales_lines where line_id >= (select sum(line_count) from {{ this }}))
{% endif %}
group by product_id
