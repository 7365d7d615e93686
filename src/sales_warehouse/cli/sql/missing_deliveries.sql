-- the missing deliveries, the newest first
select feed, part_value, business_date, due_at
from audit.feed_status
where delivery_status = 'missing'
order by business_date desc, feed, part_value
