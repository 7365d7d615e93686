-- of the daily aggregate, which has thousands of rows; the facts have millions
select currency, sum(net_sales_amount)
from marts.agg_sales_daily
group by currency
order by currency
