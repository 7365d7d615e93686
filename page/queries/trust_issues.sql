-- Records by the rule that they broke and what became of them, over all active files, as of the last build.
select
    issues.feed,
    issues.issue_code,
    issues.outcome,
    max(rules.description) as meaning,
    sum(issues.row_count) as record_count,
    count(distinct issues._file_id) as file_count
from audit.feed_issues as issues
left join audit.quality_rules as rules on rules.feed = issues.feed and rules.issue_code = issues.issue_code
where
    cast(%(sources)s as text []) is null or split_part(issues.feed, '.', 1) = any(cast(%(sources)s as text []))
group by issues.feed, issues.issue_code, issues.outcome
order by record_count desc, issues.feed, issues.issue_code, issues.outcome
