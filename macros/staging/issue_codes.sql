{# {limit} in a condition is replaced by the limit of the rule. Most rows break no rule, and to ask that first takes half the
   time. `of_messages` says that row:exact_duplicate compares the rows of one message alone. #}
{% macro issue_codes(checks, outcome, feed=none, of_messages=false) -%}
    {%- if outcome not in ['quarantined', 'flagged'] -%}
        {{ exceptions.raise_compiler_error('issue_codes: the outcome is quarantined or flagged, not ' ~ outcome) }}
    {%- endif -%}
    {%- set judging_feed = feed or staged_feed() -%}
    {%- set conditions, found, codes = [], [], [] -%}
    {%- for code, condition in checks -%}
        {%- set rule = quality_rule(code, judging_feed) -%}
        {%- if rule.outcome == 'skipped' -%}
            {{ exceptions.raise_compiler_error(
                judging_feed ~ ': ' ~ code ~ ' says that a row carries no sale; row_status and row_issues decide that.'
            ) }}
        {%- elif rule.outcome == outcome -%}
            {%- do assert_independent_of_segments(code, judging_feed, of_messages) -%}
            {%- set sql = checked_condition(condition, rule, judging_feed) -%}
            {%- do conditions.append('(' ~ sql ~ ')') -%}
            {%- do found.append('case when ' ~ sql ~ " then ';" ~ code ~ "' else '' end") -%}
            {%- do codes.append(code) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do declare_codes(outcome, codes) -%}
    {%- if not found -%}
        {{ return("''") }}
    {%- endif -%}
    case
        when
            {{ conditions | join('\n            or ') }}
            then
                {{ found | join('\n                || ') }}
        else ''
    end
{%- endmacro %}

{# A condition with the limit of its rule. #}
{% macro checked_condition(condition, rule, judging_feed) -%}
    {%- if '{limit}' in condition and rule.limit is none -%}
        {{ exceptions.raise_compiler_error(
            judging_feed ~ ': the check of ' ~ rule.code ~ ' needs a limit; give it one in macros/quality/quality_rules.sql.'
        ) }}
    {%- endif -%}
    {{ return(condition | replace('{limit}', rule_limit(rule) or '')) }}
{%- endmacro %}

{# Of a topic no rule may compare the rows of a file: a segment is cut anywhere, and a rebuild must not give other outcomes
   than the messages alone. Rows of one message may be compared: they are in one segment. #}
{% macro assert_independent_of_segments(code, judging_feed, of_messages) -%}
    {%- set is_compared = code == 'row:delivered_before' or code == 'row:exact_duplicate' and not of_messages -%}
    {%- if is_compared and graph.sources and feeds() | selectattr('is_topic') | selectattr('name', 'equalto', judging_feed) | list -%}
        {{ exceptions.raise_compiler_error(
            judging_feed ~ ': ' ~ code ~ ' would depend on where the segments of the topic were cut. Declare meta.events in the '
            ~ 'YAML of ' ~ model.name ~ ': a message that is sent again is repeated then. For row:exact_duplicate, name _offset in '
            ~ '`lineage` of staging_model, which compares the rows of one message alone.'
        ) }}
    {%- endif -%}
{%- endmacro %}
