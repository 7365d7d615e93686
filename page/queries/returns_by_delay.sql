-- Returns of the period with a matched sale, by the days from sale to return.
with

grouped as (
    select
        case
            when days_to_return = 0 then 1
            when days_to_return <= 7 then 2
            when days_to_return <= 14 then 3
            when days_to_return <= 30 then 4
            when days_to_return <= 90 then 5
            else 6
        end as place,
        case when cast(%(currency)s as text) is null then return_amount_reporting else return_amount end as amount
    from fct_returns
    where
        is_matched
        and return_date between %(first)s and %(last)s
        and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
        and (cast(%(currency)s as text) is null or currency = cast(%(currency)s as text))
)

select
    names.days_to_return,
    count(grouped.place) as return_count,
    coalesce(sum(grouped.amount), 0) as amount
from (
    values (1, 'same day'), (2, '1 to 7'), (3, '8 to 14'), (4, '15 to 30'), (5, '31 to 90'), (6, 'over 90')
) as names (place, days_to_return)
left join grouped on grouped.place = names.place
group by names.place, names.days_to_return
order by names.place
