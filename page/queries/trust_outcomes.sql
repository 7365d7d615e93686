-- What became of the records of each active file with a day in the period, as of the last build.
select
    feed,
    file_name,
    period_start_date,
    version,
    records_read,
    accepted_count,
    quarantined_count,
    rejected_count,
    skipped_by_loader_count + skipped_by_models_count as skipped_count,
    counted_elsewhere_count,
    is_late,
    _file_id as file_id
from audit.feed_scorecard
where
    coalesce(period_end_date, %(last)s) >= %(first)s
    and coalesce(period_start_date, %(first)s) <= %(last)s
    and (
        cast(%(sources)s as text []) is null or split_part(feed, '.', 1) = any(cast(%(sources)s as text []))
    )
order by period_start_date, feed, file_name
