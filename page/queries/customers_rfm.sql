-- Customers by how recently and how often they bought; 5 is the best fifth.
select
    recency_score,
    frequency_score,
    count(*) as customer_count,
    sum(net_sales_amount_reporting) as net_sales_reporting
from customer_rfm
where cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text []))
group by recency_score, frequency_score
order by recency_score, frequency_score
