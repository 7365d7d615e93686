-- Sales of today with what came since the latest publication; not audited. Sums of one currency, or in the reporting currency.
select
    source_system,
    country,
    currency,
    line_count,
    order_count,
    net_sales_amount,
    net_sales_amount_reporting,
    is_audited,
    as_of
from live.sales_today
where
    (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
    and (cast(%(countries)s as text []) is null or country = any(cast(%(countries)s as text [])))
    and (cast(%(currency)s as text) is null or currency = cast(%(currency)s as text))
order by net_sales_amount_reporting desc, source_system, country, currency
