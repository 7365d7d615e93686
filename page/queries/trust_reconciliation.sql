-- Each step from file to report: both sides, and in how many places they differ; as of the last build.
select
    step,
    count(*) as place_count,
    count(*) filter (where not is_balanced) as different_count,
    sum(left_rows) as left_rows,
    sum(right_rows) as right_rows,
    string_agg(scope, ', ' order by scope) filter (where not is_balanced) as different_scopes
from audit.reconciliation
group by step
order by step
