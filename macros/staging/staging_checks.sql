{# The checks of a staging model as pairs of code and condition: those that follow from its columns, in their order, then those of
   the model. #}
{% macro staging_checks(columns, checks, without, lineage) -%}
    {%- set own, standard, all = [], [], [] -%}
    {%- for code, condition in checks -%}
        {%- do own.append((code, condition if condition is string else 'first_file_id < _file_id')) -%}
    {%- endfor -%}
    {%- for column in columns -%}
        {%- set of_column = standard_checks(column) -%}
        {%- do standard.extend(of_column) -%}
        {%- do all.extend(of_column | rejectattr(0, 'in', without) | list + column.checks) -%}
    {%- endfor -%}
    {%- set of_row = [
        ('text:control_character', 'has_control_character'),
        ('row:exact_duplicate', 'occurrence_number > 1'),
        ('row:blank', 'is_blank'),
        ('row:repeated_header', 'is_repeated_header'),
    ] -%}
    {#- a segment of a topic is cut anywhere, so only the items of one message are compared -#}
    {%- if '_offset' in lineage and '_item_number' not in lineage -%}
        {%- do of_row.pop(1) -%}
    {%- endif -%}
    {%- do standard.extend(of_row) -%}
    {%- do all.extend(own + of_row | rejectattr(0, 'in', without) | list) -%}
    {%- for code in without if code not in standard | map(attribute=0) | list -%}
        {{ exceptions.raise_compiler_error(
            staged_feed() ~ ': `without` names ' ~ code ~ ', which is no standard check of the model. Those are: '
            ~ standard | map(attribute=0) | join(', ') ~ '.'
        ) }}
    {%- endfor -%}
    {%- set codes = [] -%}
    {%- for code, condition in all -%}
        {%- if code in codes -%}
            {{ exceptions.raise_compiler_error(
                staged_feed() ~ ': there are two checks of ' ~ code ~ '. To replace the standard one, name it in `without`.'
            ) }}
        {%- endif -%}
        {%- do codes.append(code) -%}
    {%- endfor -%}
    {{ return(all) }}
{%- endmacro %}

{# Those that do not skip a row. #}
{% macro judging_checks(checks) -%}
    {%- set skipping = skipping_checks(checks) | map(attribute=0) | list -%}
    {{ return(checks | rejectattr(0, 'in', skipping) | list) }}
{%- endmacro %}

{# Those that follow from a column: of its keys and its cast always, the others where the table of rules has the code. #}
{% macro standard_checks(column) -%}
    {%- set name = column_name(column.name) -%}
    {%- set text = column.text or name -%}
    {%- set ruled = quality_rules() | map(attribute='code') | list -%}
    {%- set found = [] -%}
    {%- if column.required -%}
        {%- set condition = ' and (' ~ column.required ~ ')' if column.required is string else '' -%}
        {%- do found.append(('missing', (name if column['is'] else text) ~ ' is null' ~ condition)) -%}
    {%- endif -%}
    {%- if column.kind == 'text' -%}
        {%- do found.append(('too_long', 'length(' ~ text ~ ') > {limit}')) if column.constant is none -%}
    {%- elif column['is'] and column.kind == 'decimal' -%}
        {%- set values = [] -%}
        {%- for referred in column.refers_to -%}
            {%- do values.append(column_name(referred) ~ ' is not null and ') -%}
        {%- endfor -%}
        {%- do found.append(('out_of_range', values | join ~ name ~ ' is null')) -%}
        {%- do found.append(('rounded', name ~ ' <> ' ~ '(' ~ column['is'] | trim ~ ')')) if column.round is not none -%}
    {%- elif not column['is'] -%}
        {%- set is_unreadable = text ~ ' is not null and ' ~ name ~ ' is null' -%}
        {%- if column.format and column.format is not string -%}
            {%- set ambiguous = is_ambiguous(text, column.format, column.months) -%}
            {%- do found.append(('ambiguous', ambiguous)) -%}
            {%- set is_unreadable = is_unreadable ~ ' and not ' ~ ambiguous -%}
        {%- endif -%}
        {%- do found.append((unreadable_issue(column.kind), is_unreadable)) -%}
        {%- do found.append(('rounded', is_rounded(column, text, name))) if column.kind == 'decimal' -%}
    {%- endif -%}
    {%- if column.accepted -%}
        {%- do found.append(('unknown', 'coalesce(' ~ name ~ ", '') not in ('" ~ column.accepted | join("', '") ~ "')")) -%}
    {%- endif -%}
    {%- set day = name if column.kind in ('date', 'excel_date') else 'cast(' ~ name ~ ' as date)' -%}
    {%- for issue, condition in [
        ('unknown', is_unknown_currency(name) if column.source and not column.accepted else ''),
        ('not_between_0_and_1', name ~ ' not between 0 and 1'),
        ('negative', name ~ ' < 0'),
        ('zero', name ~ ' = 0'),
        ('outside_calendar', is_outside_calendar(day)),
        ('outside_period', day ~ ' not between period_start_date and period_end_date'),
        ('after_delivery', is_after_delivery(day, 'delivered_at')),
        ('out_of_sequence', 'is_out_of_sequence' if column.in_sequence else ''),
    ] if condition and column.name ~ ':' ~ issue in ruled -%}
        {%- do found.append((issue, condition)) -%}
    {%- endfor -%}
    {%- set checks = [] -%}
    {%- for issue, condition in found if issue != 'too_long' or column.name ~ ':too_long' in ruled -%}
        {%- do checks.append((column.name ~ ':' ~ issue, condition)) -%}
    {%- endfor -%}
    {{ return(checks) }}
{%- endmacro %}

{# Whether a number was delivered with more decimals than its type or `round` has. Noise has 15 digits or more: a length is compared
   first. #}
{% macro is_rounded(column, text, name) -%}
    {{ return(
        ('length(' ~ text ~ ') > 15 and ' if column.round is none else '') ~ name ~ ' is not null and length(trim(trailing '
        ~ "'0' from split_part(" ~ text ~ ", '.', 2))) > " ~ (column.size[1] if column.round is none else column.round)
    ) }}
{%- endmacro %}

{# What a text is not that a cast cannot read. #}
{% macro unreadable_issue(kind) -%}
    {{ return({
        'integer': 'not_an_integer', 'decimal': 'not_a_decimal', 'amount': 'not_a_decimal', 'rate': 'not_a_decimal',
        'date': 'not_a_date', 'excel_date': 'not_a_date',
    }.get(kind, 'not_a_timestamp')) }}
{%- endmacro %}
