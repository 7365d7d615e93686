{# The rules in use: feed, and the result of quality_rule. The codes are those that the staging models declare by staging_model,
   issue_codes and row_status; a feed of events uses the two of decide_events, one whose lines are looked up that of look_up; file:late is used by every feed for which it has a limit. Empty while dbt parses. #}
{% macro used_rules() -%}
    {%- set used = [] -%}
    {%- if not execute -%}
        {{ return(used) }}
    {%- endif -%}
    {%- set names = [] -%}
    {%- set codes = [] -%}
    {%- for feed in feeds() if feed.staging_model -%}
        {%- do names.append(feed.name) -%}
        {%- set own_codes = staged_codes(graph.nodes[feed.staging_model]) -%}
        {%- for code in own_codes -%}
            {%- do codes.append(code) -%}
            {%- do used.append({'feed': feed.name, 'rule': quality_rule(code, feed.name)}) -%}
        {%- endfor -%}
        {%- for code in (['event:repeated', 'event:superseded'] if feed.events else [])
            + (['lookup:waiting'] if feed.looks_up else []) -%}
            {%- do used.append({'feed': feed.name, 'rule': quality_rule(code, feed.name)}) -%}
        {%- endfor -%}
        {%- set late = quality_rule('file:late', feed.name) -%}
        {%- if late.limit is not none -%}
            {%- do used.append({'feed': feed.name, 'rule': late}) -%}
        {%- endif -%}
        {%- for rule in quality_rules() if rule.code not in own_codes + ['file:late'] and rule.feeds -%}
            {%- if feed.name in rule.feeds -%}
                {{ exceptions.raise_compiler_error(
                    'Quality rule ' ~ rule.code ~ ' has an entry for ' ~ feed.name
                    ~ ', whose staging model does not use it. Take it out of macros/quality/quality_rules.sql.'
                ) }}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for rule in quality_rules() -%}
        {%- if rule.code not in codes + ['file:late'] and not rule.get('is_offered') -%}
            {{ exceptions.raise_compiler_error(
                'Quality rule ' ~ rule.code ~ ' is used by no staging model. Take it out of '
                ~ 'macros/quality/quality_rules.sql, or say is_offered there.'
            ) }}
        {%- endif -%}
        {%- for name in rule.get('feeds', {}) if name not in names -%}
            {{ exceptions.raise_compiler_error(
                'Quality rule ' ~ rule.code ~ ' has an entry for ' ~ name ~ ', which is no feed with a '
                ~ 'staging model. Known are: ' ~ names | join(', ') ~ '.'
            ) }}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(used) }}
{%- endmacro %}
