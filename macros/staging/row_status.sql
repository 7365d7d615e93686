{# Outcome of a row by its checks: skipped by a rule that says that it is no sale, quarantined if `issues` has a code, else
   accepted. #}
{% macro row_status(checks) -%}
    {%- set skips = skipping_checks(checks) -%}
    case
        {%- for code, condition in skips %}
        when {{ condition }} then 'skipped'
        {%- endfor %}
        when issues <> '' then 'quarantined'
        else 'accepted'
    end
{%- endmacro %}

{# The codes of a row: of a skipped one the first that says so, else those of `issues` and `remarks`. #}
{% macro row_issues(checks) -%}
    {%- set skips = skipping_checks(checks) -%}
    {%- if not skips -%}
        {{ return('substring(issues || remarks, 2)') }}
    {%- endif -%}
    case
        {%- for code, condition in skips %}
        when {{ condition }} then '{{ code }}'
        {%- endfor %}
        else substring(issues || remarks, 2)
    end
{%- endmacro %}

{# The checks whose rule skips a row of this feed, in their order. #}
{% macro skipping_checks(checks) -%}
    {%- set found = [] -%}
    {%- for code, condition in checks -%}
        {%- set rule = quality_rule(code, staged_feed()) -%}
        {%- if rule.outcome == 'skipped' -%}
            {%- do found.append((code, checked_condition(condition, rule, staged_feed()))) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do declare_codes('skipped', found | map(attribute=0) | list) -%}
    {{ return(found) }}
{%- endmacro %}
