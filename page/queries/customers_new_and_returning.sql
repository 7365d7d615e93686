-- Customers and net sales by month: new, returning, and sales without a customer; in the reporting currency.
select
    month_start_date,
    sum(new_customer_count) as new_customer_count,
    sum(returning_customer_count) as returning_customer_count,
    sum(new_net_sales_amount_reporting) as new_net_sales_reporting,
    sum(returning_net_sales_amount_reporting) as returning_net_sales_reporting,
    sum(unknown_net_sales_amount_reporting) as unknown_net_sales_reporting,
    sum(net_sales_amount_reporting) as net_sales_reporting
from customers_new_and_returning
where cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text []))
group by month_start_date
order by month_start_date
