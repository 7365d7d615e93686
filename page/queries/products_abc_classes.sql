-- Products and net sales of each class, over all days, in the reporting currency.
select
    source_system,
    abc_class,
    count(*) as product_count,
    sum(net_sales_amount_reporting) as net_sales_reporting,
    sum(share_of_net_sales) as share
from product_abc
where cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text []))
group by source_system, abc_class
order by source_system, abc_class
