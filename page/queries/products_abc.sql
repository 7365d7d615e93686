-- The products of each source in the order of their net sales, over all days; at most 400 points a source for the picture.
with

numbered as (
    select
        *,
        count(*) over (partition by source_system) as product_count
    from product_abc
    where
        cumulative_share is not null
        and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
)

select
    source_system,
    sales_rank,
    product_id,
    product_name,
    abc_class,
    net_sales_amount_reporting,
    cumulative_share
from numbered
where product_count <= 400 or sales_rank %% (product_count / 400 + 1) = 1 or sales_rank = product_count
order by source_system, sales_rank
