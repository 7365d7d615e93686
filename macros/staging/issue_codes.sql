{# {limit} in a condition is replaced by the limit of the rule. #}
{% macro issue_codes(checks, outcome, feed=none) -%}
    {%- if outcome not in ['quarantined', 'flagged'] -%}
        {{ exceptions.raise_compiler_error('issue_codes: the outcome is quarantined or flagged, not ' ~ outcome) }}
    {%- endif -%}
    {%- set judging_feed = feed or staged_feed() -%}
    {%- set found = [] -%}
    {%- for code, condition in checks -%}
        {%- set rule = quality_rule(code, judging_feed) -%}
        {%- if rule.outcome == 'skipped' -%}
            {{ exceptions.raise_compiler_error(
                judging_feed ~ ': ' ~ code ~ ' says that a row carries no sale; the model decides that, no check.'
            ) }}
        {%- elif '{limit}' in condition and rule.limit is none -%}
            {{ exceptions.raise_compiler_error(
                judging_feed ~ ': the check of ' ~ code ~ ' needs a limit; give it one in macros/quality/quality_rules.sql.'
            ) }}
        {%- elif rule.outcome == outcome -%}
            {%- set sql = condition | replace('{limit}', rule_limit(rule) or '') -%}
            {%- do found.append('case when ' ~ sql ~ " then ';" ~ code ~ "' else '' end") -%}
        {%- endif -%}
    {%- endfor -%}
    {{ found | join('\n        || ') if found else "''" }}
{%- endmacro %}
