-- Returns of the period by month: on the day of the return, and on the day of the sale where it is known.
with

chosen as (
    select
        *,
        case when cast(%(currency)s as text) is null then return_amount_reporting else return_amount end as amount
    from fct_returns
    where
        return_date between %(first)s and %(last)s
        and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
        and (cast(%(currency)s as text) is null or currency = cast(%(currency)s as text))
)

select
    cast(date_trunc('month', dated.on_date) as date) as month_start_date,
    coalesce(sum(chosen.amount) filter (where dated.is_of_return), 0) as on_return_date,
    coalesce(sum(chosen.amount) filter (where not dated.is_of_return), 0) as on_sale_date
from chosen
cross join lateral (values (true, chosen.return_date), (false, chosen.sale_date)) as dated (is_of_return, on_date)
where dated.on_date is not null
group by 1
order by 1
