-- Customers in ten groups of equal size by their net sales so far, the best first; in the reporting currency.
with

ranked as (
    select
        ntile(10) over (order by net_sales_amount_reporting desc, customer_key) as tenth,
        *
    from customer_lifetime_value
    where cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text []))
)

select
    tenth,
    count(*) as customer_count,
    sum(net_sales_amount_reporting) as net_sales_reporting,
    round(sum(net_sales_amount_reporting) / nullif(sum(sum(net_sales_amount_reporting)) over (), 0), 4) as share,
    round(avg(net_sales_amount_reporting), 4) as average_net_sales_reporting,
    round(avg(order_count), 2) as average_order_count,
    min(net_sales_amount_reporting) as least_net_sales_reporting
from ranked
group by tenth
order by tenth
