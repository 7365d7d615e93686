-- One row per figure: its value in the period, in the compared period, the change, and its value on each day.
-- The definitions are those of the metrics (models/semantic). A change is NULL where the compared period begins before the data.
with

days as (
    select
        date_day,
        case cast(%(compare)s as text)
            when 'calendar' then same_date_last_year
            when 'comparable' then comparable_date_last_year
            else date_day - (cast(%(last)s as date) - cast(%(first)s as date) + 1)
        end as compared_day
    from dim_date
    where date_day between %(first)s and %(last)s
),

periods as (
    select true as is_shown, min(date_day) as first_day, max(date_day) as last_day from days
    union all
    select false, min(compared_day), max(compared_day) from days
),

lines as (
    select
        periods.is_shown,
        sales.order_date,
        case when cast(%(currency)s as text) is null then sales.net_amount_reporting else sales.net_amount end as amount,
        round(
            sales.cost_amount * case when cast(%(currency)s as text) is null then sales.fx_rate else 1 end, 4
        ) as cost,
        sales.source_system || ':' || sales.order_id || ':' || sales.currency as order_name,
        sales.line_type = 'sale' as is_sale,
        sales.line_type in ('return', 'cancellation') as is_return
    from periods
    inner join fct_sales_lines as sales on sales.order_date between periods.first_day and periods.last_day
    where
        sales.is_merchandise
        and (cast(%(sources)s as text []) is null or sales.source_system = any(cast(%(sources)s as text [])))
        and (
            cast(%(countries)s as text []) is null
            or coalesce(sales.country, 'unknown') = any(cast(%(countries)s as text []))
        )
        and (cast(%(currency)s as text) is null or sales.currency = cast(%(currency)s as text))
),

sums as (
    select
        is_shown,
        order_date,
        sum(amount) as net_sales,
        coalesce(sum(amount) filter (where is_sale), 0) as sales_after_discount,
        coalesce(-sum(amount) filter (where is_return), 0) as returns,
        count(distinct order_name) filter (where is_sale) as orders,
        sum(amount - cost) as gross_margin,
        sum(amount) filter (where cost is not null) as net_sales_with_cost
    from lines
    group by grouping sets ((is_shown), (is_shown, order_date))
),

figures as (
    select
        sums.is_shown,
        sums.order_date,
        figure.*
    from sums
    cross join lateral (
        values
        (1, 'net_sales', sums.net_sales),
        (2, 'orders', cast(sums.orders as numeric)),
        (3, 'average_order_value', round(sums.sales_after_discount / nullif(sums.orders, 0), 4)),
        (4, 'return_rate', round(sums.returns / nullif(sums.sales_after_discount, 0), 4)),
        (5, 'gross_margin_rate', round(sums.gross_margin / nullif(sums.net_sales_with_cost, 0), 4))
    ) as figure (place, name, value)
),

compared as (
    select
        place,
        name,
        max(value) filter (where is_shown and order_date is null) as value,
        max(value) filter (
            where not is_shown and order_date is null
            and (select first_day from periods where not periods.is_shown) >= (
                select min(order_date) from agg_sales_daily
                where cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text []))
            )
        ) as compared_value,
        array_agg(value order by order_date) filter (where is_shown and order_date is not null) as values_by_day
    from figures
    group by place, name
)

select
    *,
    -- rates change by points, the others by a share
    case
        when name like '%%_rate' then value - compared_value
        when compared_value > 0 then round(value / compared_value - 1, 4)
    end as change
from compared
order by place
