-- One row: net sales of the periods like for like, those left out, and all sales of the same days by day, which are the same sum.
with

periods as (
    select
        *,
        case when cast(%(currency)s as text) is null then net_sales_amount_reporting else net_sales_amount end as net_sales,
        case when cast(%(currency)s as text) is null then last_year_amount_reporting else last_year_amount end as last_year
    from store_sales_compared
    where
        period_kind = %(kind)s
        and period_start_date <= %(last)s
        and period_end_date >= %(first)s
        and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
        and (cast(%(currency)s as text) is null or currency = cast(%(currency)s as text))
),

sums as (
    select
        min(period_start_date) as first_date,
        max(period_end_date) as last_date,
        coalesce(sum(net_sales) filter (where is_comparable), 0) as like_for_like,
        coalesce(sum(last_year) filter (where is_comparable), 0) as like_for_like_last_year,
        coalesce(sum(net_sales) filter (where not is_comparable), 0) as left_out,
        sum(net_sales) as net_sales,
        count(distinct store_key) filter (where is_comparable) as comparable_store_count
    from periods
),

all_sales as (
    select
        coalesce(sum(
            case when cast(%(currency)s as text) is null then daily.net_sales_amount_reporting else daily.net_sales_amount end
        ), 0) as all_net_sales
    from sums
    inner join agg_sales_daily as daily on daily.order_date between sums.first_date and sums.last_date
    where
        (cast(%(sources)s as text []) is null or daily.source_system = any(cast(%(sources)s as text [])))
        and (cast(%(currency)s as text) is null or daily.currency = cast(%(currency)s as text))
)

select
    sums.first_date,
    sums.last_date,
    sums.like_for_like,
    sums.like_for_like_last_year,
    case
        when sums.like_for_like_last_year > 0 then round(sums.like_for_like / sums.like_for_like_last_year - 1, 4)
    end as change,
    sums.left_out,
    sums.net_sales,
    all_sales.all_net_sales,
    sums.net_sales - all_sales.all_net_sales as difference,
    sums.comparable_store_count
from sums
cross join all_sales
where sums.first_date is not null
