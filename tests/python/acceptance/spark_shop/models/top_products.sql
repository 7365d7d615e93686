{{ config(materialized=var('kind')) }}
-- Grain: one row per product of the larger half.
select
    product_id,
    net_amount
from {{ ref('agg_products') }}
where product_id <= 3
