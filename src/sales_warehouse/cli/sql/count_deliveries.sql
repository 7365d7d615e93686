-- the deliveries of each feed by status
select
    feed,
    count(*) filter (where delivery_status = 'on_time') as on_time,
    count(*) filter (where delivery_status = 'late') as late,
    count(*) filter (where delivery_status = 'missing') as missing,
    count(*) filter (where delivery_status = 'pending') as pending,
    count(*) filter (where delivery_status = 'unexpected') as unexpected,
    count(*) filter (where is_corrected) as corrected,
    max(business_date) filter (where delivered_at is not null) as latest
from audit.feed_status
group by feed
order by feed
