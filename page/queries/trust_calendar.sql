-- Expected and actual deliveries of the period, as of the last build.
select
    feed,
    part_value,
    business_date,
    delivery_status,
    content_count,
    is_corrected,
    due_at,
    delivered_at
from audit.feed_status
where
    business_date between date_trunc('month', cast(%(first)s as date)) and %(last)s
    and (
        cast(%(sources)s as text []) is null or split_part(feed, '.', 1) = any(cast(%(sources)s as text []))
    )
order by feed, part_value, business_date
