-- Grain: one row per feed and quality rule that its models use. The rules are in macros/quality/quality_rules.sql.
with

final as (
    {{ rule_rows() }}
)

select
    feed,
    issue_code,
    outcome,
    rule_limit,
    description
from final
