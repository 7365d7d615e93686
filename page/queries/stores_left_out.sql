-- Net sales that are not like for like, by the reason, in words.
select
    case exclusion_reason
        when 'no_store' then 'Sold by no store'
        when 'not_complete' then 'The period goes on'
        when 'no_last_year' then 'The source has no last year'
        when 'opened' then 'Opened since'
        when 'too_new' then 'Opened not long enough before'
        when 'closed' then 'Closed'
        when 'refurbished' then 'Shut for a refurbishment'
        else exclusion_reason
    end as reason,
    count(distinct store_key) as store_count,
    sum(
        case when cast(%(currency)s as text) is null then net_sales_amount_reporting else net_sales_amount end
    ) as net_sales,
    sum(
        case when cast(%(currency)s as text) is null then last_year_amount_reporting else last_year_amount end
    ) as net_sales_last_year
from store_sales_compared
where
    period_kind = %(kind)s
    and period_start_date <= %(last)s
    and period_end_date >= %(first)s
    and not is_comparable
    and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
    and (cast(%(currency)s as text) is null or currency = cast(%(currency)s as text))
group by exclusion_reason
order by net_sales desc, reason
