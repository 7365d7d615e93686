-- The ten products whose net sales grew most against the compared period, and the ten that lost most.
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

per_product as (
    select
        sales.product_key,
        coalesce(sum(
            case when cast(%(currency)s as text) is null then sales.net_amount_reporting else sales.net_amount end
        ) filter (where periods.is_shown), 0) as net_sales,
        coalesce(sum(
            case when cast(%(currency)s as text) is null then sales.net_amount_reporting else sales.net_amount end
        ) filter (where not periods.is_shown), 0) as compared_net_sales
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
    group by sales.product_key
),

ranked as (
    select
        *,
        net_sales - compared_net_sales as change,
        row_number() over (order by net_sales - compared_net_sales desc, product_key) as place_from_top,
        row_number() over (order by net_sales - compared_net_sales, product_key) as place_from_bottom
    from per_product
)

select
    products.source_system,
    products.product_id,
    products.product_name,
    ranked.net_sales,
    ranked.compared_net_sales,
    ranked.change
from ranked
inner join dim_product as products on products.product_key = ranked.product_key
where
    ((ranked.place_from_top <= 10 and ranked.change > 0) or (ranked.place_from_bottom <= 10 and ranked.change < 0))
    -- else every product would be new
    and (select first_day from periods where not is_shown) >= (select min(order_date) from agg_sales_daily)
order by ranked.change desc, products.product_key
