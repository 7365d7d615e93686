-- Net sales by source in two publications, and the difference; in the reporting currency, or one currency as delivered.
with

before as (
    select
        source_system,
        sum(
            case when cast(%(currency)s as text) is null then net_sales_amount_reporting else net_sales_amount end
        ) as net_sales
    from published_as_of.read(cast(null as published_as_of.agg_sales_monthly), %(before)s)
    where cast(%(currency)s as text) is null or currency = cast(%(currency)s as text)
    group by source_system
),

after as (
    select
        source_system,
        sum(
            case when cast(%(currency)s as text) is null then net_sales_amount_reporting else net_sales_amount end
        ) as net_sales
    from published_as_of.read(cast(null as published_as_of.agg_sales_monthly), %(after)s)
    where cast(%(currency)s as text) is null or currency = cast(%(currency)s as text)
    group by source_system
)

select
    source_system,
    coalesce(before.net_sales, 0) as net_sales_before,
    coalesce(after.net_sales, 0) as net_sales_after,
    coalesce(after.net_sales, 0) - coalesce(before.net_sales, 0) as difference,
    sum(before.net_sales) over () as all_net_sales_before
from before
full join after using (source_system)
order by source_system
