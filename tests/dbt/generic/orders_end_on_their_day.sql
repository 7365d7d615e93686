{% test orders_end_on_their_day(model, share, least) %}

-- Sources of which more than a share of the orders have lines on several days: receipt numbers that begin anew, so that one order
-- number is of many orders? Fewer than `least` such orders say nothing.
select
    source_system,
    count(*) as order_count,
    count(case when order_date < last_order_date then 1 end) as long_order_count
from {{ model }}
group by source_system
having
    count(case when order_date < last_order_date then 1 end) >= {{ least }}
    and count(case when order_date < last_order_date then 1 end) > {{ share }} * count(*)

{% endtest %}
