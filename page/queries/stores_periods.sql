-- One row per period with a chosen day: net sales like for like beside those of last year, and what is left out.
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
        period_start_date,
        period_end_date,
        coalesce(sum(net_sales) filter (where is_comparable), 0) as like_for_like,
        coalesce(sum(last_year) filter (where is_comparable), 0) as like_for_like_last_year,
        coalesce(sum(net_sales) filter (where not is_comparable), 0) as left_out,
        sum(net_sales) as net_sales,
        count(distinct store_key) filter (where is_comparable) as comparable_store_count
    from periods
    group by period_start_date, period_end_date
)

select
    period_start_date,
    period_end_date,
    like_for_like,
    like_for_like_last_year,
    case
        when like_for_like_last_year > 0 then round(like_for_like / like_for_like_last_year - 1, 4)
    end as change_rate,
    left_out,
    net_sales,
    comparable_store_count
from sums
order by period_start_date
