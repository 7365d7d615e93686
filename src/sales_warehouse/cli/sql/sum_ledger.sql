-- the records of every active file by outcome, for each feed
with files as (
    select
        feed,
        count(*) as files,
        sum(records_read) as records,
        sum(rows_rejected) as rejected,
        sum(rows_skipped) as blank_lines
    from ledger.files where status = 'active' group by feed
),
outcomes as (
    select
        feed,
        sum(row_count) filter (where row_status = 'accepted') as accepted,
        sum(row_count) filter (where row_status = 'skipped') as skipped,
        sum(row_count) filter (where row_status = 'quarantined') as quarantined,
        sum(row_count) filter (where row_status = 'repeated') as repeated,
        sum(row_count) filter (where row_status = 'superseded') as superseded,
        sum(row_count) filter (where row_status = 'waiting') as waiting
    from audit.row_outcomes group by feed
)
select
    feed, files, records::bigint, rejected::bigint, (blank_lines + coalesce(skipped, 0))::bigint as skipped,
    coalesce(quarantined, 0)::bigint as quarantined, coalesce(repeated, 0)::bigint as repeated,
    coalesce(superseded, 0)::bigint as superseded, coalesce(waiting, 0)::bigint as waiting,
    coalesce(accepted, 0)::bigint as accepted
from files left join outcomes using (feed) order by feed
