-- What can be chosen: the days with sales, sources, countries and currencies. One row.
select
    min(order_date) as first_date,
    max(order_date) as last_date,
    array_agg(distinct source_system order by source_system) as sources,
    array_agg(distinct country order by country) as countries,
    array_agg(distinct currency order by currency) as currencies
from agg_sales_daily
