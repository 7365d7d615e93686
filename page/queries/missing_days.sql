-- Days of the period for which a delivery is missing, and of which feeds, as of the last build.
select
    business_date,
    string_agg(distinct feed, ', ' order by feed) as feeds
from audit.feed_status
where
    delivery_status = 'missing'
    and business_date between %(first)s and %(last)s
    and (
        cast(%(sources)s as text []) is null
        or split_part(feed, '.', 1) = any(cast(%(sources)s as text []))
    )
group by business_date
order by business_date
