-- Each store in each period with a chosen day, beside last year, and why it is left out; at most 2,000, the latest periods first.
with

compared as (
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
)

select
    compared.period_start_date,
    compared.period_end_date,
    compared.source_system,
    stores.store_id,
    stores.store_name,
    compared.currency,
    compared.net_sales,
    compared.last_year as net_sales_last_year,
    case
        when compared.is_comparable and compared.last_year > 0 then round(compared.net_sales / compared.last_year - 1, 4)
    end as change_rate,
    case compared.exclusion_reason
        when 'no_store' then 'Sold by no store'
        when 'not_complete' then 'The period goes on'
        when 'no_last_year' then 'The source has no last year'
        when 'opened' then 'Opened since'
        when 'too_new' then 'Opened not long enough before'
        when 'closed' then 'Closed'
        when 'refurbished' then 'Shut for a refurbishment'
        else compared.exclusion_reason
    end as left_out_because
from compared
-- always matches: a store has a row as soon as it has a line
left join dim_store as stores on stores.store_key = compared.store_key
order by
    compared.period_start_date desc, compared.net_sales desc, compared.source_system, compared.store_key, compared.currency
limit 2000
