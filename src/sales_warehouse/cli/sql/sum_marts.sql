-- rows and net amount of the marts by source system and currency
select 'marts.fct_sales_lines' as mart, source_system, count(*) as rows, sum(net_amount) as net_amount, currency
from marts.fct_sales_lines group by source_system, currency
union all
select 'marts.agg_sales_daily' as mart, source_system, count(*) as rows, sum(net_amount) as net_amount, currency
from marts.agg_sales_daily group by source_system, currency
union all
select 'marts.agg_sales_monthly' as mart, source_system, count(*) as rows, sum(net_amount) as net_amount, currency
from marts.agg_sales_monthly group by source_system, currency
order by mart desc, source_system
