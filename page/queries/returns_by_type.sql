-- Returns of the period by source and type, and how many of them have a matched sale.
select
    source_system,
    line_type,
    count(*) as return_count,
    sum(quantity) as quantity,
    sum(case when cast(%(currency)s as text) is null then return_amount_reporting else return_amount end) as amount,
    round(avg(case when is_matched then 1.0 else 0 end), 4) as matched_share
from fct_returns
where
    return_date between %(first)s and %(last)s
    and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
    and (cast(%(currency)s as text) is null or currency = cast(%(currency)s as text))
group by source_system, line_type
order by amount desc, source_system, line_type
