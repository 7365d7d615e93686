-- Sales of the period by source. Net amount is the sum of all line types, net sales are merchandise alone.
with

chosen as (
    select
        source_system,
        case when cast(%(currency)s as text) is null then net_sales_amount_reporting else net_sales_amount end as net_sales,
        case when cast(%(currency)s as text) is null then net_amount_reporting else net_amount end as amount,
        line_count
    from agg_sales_daily
    where
        order_date between %(first)s and %(last)s
        and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
        and (cast(%(countries)s as text []) is null or country = any(cast(%(countries)s as text [])))
        and (cast(%(currency)s as text) is null or currency = cast(%(currency)s as text))
)

select
    source_system,
    sum(net_sales) as net_sales,
    round(sum(net_sales) / nullif(sum(sum(net_sales)) over (), 0), 4) as share,
    sum(amount) as net_amount,
    sum(line_count) as line_count
from chosen
group by source_system
order by net_sales desc, source_system
