{# The rule of a code for one feed: code, outcome, limit (none without one), description. A code that the table does not have takes
   the rule of its issue for any column, such as *:not_a_decimal. #}
{% macro quality_rule(code, feed) -%}
    {%- set column, issue = code.split(':') -%}
    {%- set found = quality_rules() | selectattr('code', 'equalto', code) | list
        or quality_rules() | selectattr('code', 'equalto', '*:' ~ issue) | list -%}
    {%- if found | length != 1 -%}
        {{ exceptions.raise_compiler_error(
            feed ~ ': the code ' ~ code ~ ' is in the table of quality rules ' ~ found | length ~ ' times, not once. '
            ~ 'Add or correct it in macros/quality/quality_rules.sql.'
        ) }}
    {%- endif -%}
    {%- set rule = {'code': code, 'limit': none, 'is_fixed': false, 'is_offered': false, 'feeds': {}} -%}
    {%- do rule.update(found[0]) -%}
    {%- do rule.update({'code': code, 'description': rule.description | replace('{column}', column)}) -%}
    {%- set usual_outcome = rule.outcome -%}
    {%- set known_outcomes = ['quarantined', 'flagged', 'skipped', 'repeated', 'superseded', 'waiting'] -%}
    {%- set exception = rule.feeds.get(feed, {}) -%}
    {%- set known_keys = ['code', 'outcome', 'is_fixed', 'limit', 'feeds', 'is_offered', 'description'] -%}
    {%- for key in rule | reject('in', known_keys) | list + exception | reject('in', ['outcome', 'limit', 'because']) | list -%}
        {{ exceptions.raise_compiler_error('Quality rule ' ~ code ~ ': the key ' ~ key ~ ' is unknown.') }}
    {%- endfor -%}
    {%- do rule.update(exception) -%}
    {%- if 'because' in exception -%}
        {%- do rule.update({'description': rule.description ~ ' For this feed: ' ~ exception.because ~ '.'}) -%}
    {%- endif -%}
    {%- for outcome in [usual_outcome, rule.outcome] if outcome not in known_outcomes -%}
        {{ exceptions.raise_compiler_error(
            'Quality rule ' ~ code ~ ': the outcome is quarantined, flagged or skipped, not ' ~ outcome ~ '.'
        ) }}
    {%- endfor -%}
    {%- if rule.is_fixed and (rule.outcome == 'flagged' or rule.outcome != usual_outcome) -%}
        {{ exceptions.raise_compiler_error(
            'Quality rule ' ~ code ~ ' cannot be ' ~ rule.outcome ~ ': the facts would lack a value that they need.'
        ) }}
    {%- endif -%}
    {{ return(rule) }}
{%- endmacro %}

{# A limit as SQL, or with another quote as text. #}
{% macro rule_limit(rule, quote="'") -%}
    {%- if rule.limit is string or rule.limit is number -%}
        {{ return(rule.limit | string) }}
    {%- elif rule.limit is none -%}
        {{ return(none) }}
    {%- endif -%}
    {{ return(quote ~ rule.limit | join(quote ~ ', ' ~ quote) ~ quote) }}
{%- endmacro %}

{# The feed of the staging model that is compiled, from its name; in a unit test, from the name of the tested model. #}
{% macro staged_feed() -%}
    {%- set name = (model.get('tested_node_unique_id') or model.name).split('.')[-1] -%}
    {%- if not name.startswith('stg_') or '__' not in name -%}
        {{ exceptions.raise_compiler_error(name ~ ' is no staging model: its name must be stg_<source>__<feed>.') }}
    {%- endif -%}
    {{ return(name[4:] | replace('__', '.', 1)) }}
{%- endmacro %}
