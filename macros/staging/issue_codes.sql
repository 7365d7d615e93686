{# {limit} in a condition is replaced by the limit of the rule. Most rows break no rule, and to ask that first takes half the
   time. #}
{% macro issue_codes(checks, outcome, feed=none) -%}
    {%- if outcome not in ['quarantined', 'flagged'] -%}
        {{ exceptions.raise_compiler_error('issue_codes: the outcome is quarantined or flagged, not ' ~ outcome) }}
    {%- endif -%}
    {%- set judging_feed = feed or staged_feed() -%}
    {%- set conditions = [] -%}
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
            {%- do assert_independent_of_segments(code, judging_feed) -%}
            {%- set sql = condition | replace('{limit}', rule_limit(rule) or '') -%}
            {%- do conditions.append('(' ~ sql ~ ')') -%}
            {%- do found.append('case when ' ~ sql ~ " then ';" ~ code ~ "' else '' end") -%}
        {%- endif -%}
    {%- endfor -%}
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

{# Of a topic no rule may compare the rows of a file: a segment is cut anywhere, and a rebuild must not give other outcomes
   than the messages alone. Rows of one message may be compared: they are in one segment. #}
{% macro assert_independent_of_segments(code, judging_feed) -%}
    {%- set compared = ['row:exact_duplicate', 'row:delivered_before'] -%}
    {%- if code in compared and graph.sources and feeds() | selectattr('is_topic') | selectattr('name', 'equalto', judging_feed) | list -%}
        {%- set is_of_messages = 'partition by _file_id, _row_number' in model.raw_code.split() | join(' ') -%}
        {%- if code == 'row:delivered_before' or not is_of_messages -%}
        {{ exceptions.raise_compiler_error(
            judging_feed ~ ': ' ~ code ~ ' would depend on where the segments of the topic were cut. Declare meta.events in the '
            ~ 'YAML of ' ~ model.name ~ ': a message that is sent again is repeated then. To compare the rows of one message '
            ~ 'alone, write for row:exact_duplicate: partition by _file_id, _row_number, {{ column_list(delivered_columns) }}'
        ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
