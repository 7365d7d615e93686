-- One row per day of the period: net sales, those of the year before, and the mean of 28 days. NULL outside the data.
with

chosen as (
    select
        order_date,
        sum(
            case when cast(%(currency)s as text) is null then net_sales_amount_reporting else net_sales_amount end
        ) as net_sales
    from agg_sales_daily
    where
        order_date between cast(%(first)s as date) - 400 and %(last)s
        and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
        and (cast(%(countries)s as text []) is null or country = any(cast(%(countries)s as text [])))
        and (cast(%(currency)s as text) is null or currency = cast(%(currency)s as text))
    group by order_date
),

reach as (
    select min(order_date) as first_date, max(order_date) as last_date
    from agg_sales_daily
    where cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text []))
),

days as (
    select
        dim_date.date_day,
        case cast(%(compare)s as text)
            when 'comparable' then dim_date.comparable_date_last_year
            else dim_date.same_date_last_year
        end as day_last_year,
        case
            when dim_date.date_day between reach.first_date and reach.last_date then coalesce(chosen.net_sales, 0)
        end as net_sales
    from dim_date
    cross join reach
    left join chosen on chosen.order_date = dim_date.date_day
    where dim_date.date_day between cast(%(first)s as date) - 27 and %(last)s
),

averaged as (
    select
        *,
        count(net_sales) over (order by date_day rows between 27 preceding and current row) as day_count,
        avg(net_sales) over (order by date_day rows between 27 preceding and current row) as mean
    from days
)

select
    averaged.date_day,
    averaged.net_sales,
    case
        when averaged.day_last_year >= reach.first_date then coalesce(chosen.net_sales, 0)
    end as net_sales_last_year,
    case when averaged.day_count = 28 then round(averaged.mean, 4) end as average_28_days
from averaged
cross join reach
left join chosen on chosen.order_date = averaged.day_last_year
where averaged.date_day >= %(first)s
order by averaged.date_day
