-- Where sales are: records loaded, lines that `live` has, and lines of the latest publication, with their net amounts.
select
    (select coalesce(sum(records_read), 0) from ledger.files where status in ('active', 'open')) as records_loaded,
    live_sales.line_count as live_lines,
    live_sales.net_amount as live_amount,
    published_sales.line_count as published_lines,
    published_sales.net_amount as published_amount
from
    (
        select coalesce(sum(line_count), 0) as line_count, coalesce(sum(net_amount_reporting), 0) as net_amount
        from live.agg_sales_daily
    ) as live_sales,
    (
        select coalesce(sum(line_count), 0) as line_count, coalesce(sum(net_amount_reporting), 0) as net_amount
        from live.latest_agg_sales_daily
    ) as published_sales
