{# A whole staging model, made from the table of its columns: one row per row of the raw table, typed, with row_status and
   row_issues. docs/reference/staging-models.md describes the arguments.

   delivered    the columns of the raw table, in the order of the file; dbt shows no sources to unit tests
   columns      the columns of the model in their order: macros/staging/staging_columns.sql
   checks       further checks as pairs of code and condition; for row:delivered_before a list of columns is the condition
   without      codes of standard checks that the feed does not have
   lineage      columns of the row's place beside _file_id and _row_number

   Texts are trimmed once, because each cast uses its text several times. PostgreSQL drops a window that a query does not use, and
   never merges a query with a window into the next one, so nothing is computed twice. It leaves the join with the ledger out,
   too, when a query does not use row_issues; file_id is the key of the ledger, so no row is lost or doubled. #}
{% macro staging_model(relation, delivered, columns, checks=[], without=[], lineage=[]) -%}
    {%- do assert_delivered(delivered) -%}
    {%- set columns = staging_columns(columns, delivered) -%}
    {%- set digested = checks | selectattr(0, 'equalto', 'row:delivered_before') | map(attribute=1) | first | default(none) -%}
    {%- set checks = staging_checks(columns, checks, without, lineage) -%}
    {%- set codes = checks | map(attribute=0) | list -%}
    {%- set judging = judging_checks(checks) -%}
    {%- set ledger = ledger_columns(columns, checks) -%}
    {%- set rearranged = columns | selectattr('shape') | list -%}
    {%- set levels = columns | map(attribute='level') | max -%}
    {%- set in_sequence = columns | selectattr('in_sequence') | map(attribute='name') | list -%}
    {%- set steps = namespace(last='typed') -%}
    {%- set shown = columns | rejectattr('hidden') | map(attribute='name') | list -%}
    {%- set places = ['_file_id', '_row_number'] + lineage -%}
    {%- do config(meta={
        'staged_columns': ['sales_line_id'] + shown + ['row_status', 'row_issues', 'delivered_values'] + places,
    }) -%}
with

delivered as (

    select * from {{ relation }}

),
{%- if digested %}

first_deliveries as (

    {{ first_deliveries(relation, digested) }}

),
{%- endif %}
{%- if ledger %}

arrivals as (

    select
        {%- for name in ledger %}
        {{ {'delivered_at': 'started_at as delivered_at', 'file_name': 'name as file_name'}.get(name, name) }},
        {%- endfor %}
        file_id
    from {{ source('ledger', 'files') }}

),
{%- endif %}

texts as (

    select
        delivered.*,
        {%- for column in columns if column.text %}
        {{ trimmed(column_name(column.source)) }} as {{ column.text }},
        {%- endfor %}
        {%- if digested %}
        first_deliveries.first_file_id,
        {%- endif %}
        {%- if 'row:exact_duplicate' in codes %}
        row_number() over (
            partition by _file_id, {{ '_row_number, ' if '_offset' in lineage }}{{ column_list(delivered) }}
            order by {{ places_of_rows(lineage) | join(' asc nulls last, ') }} asc nulls last
        ) as occurrence_number
        {%- else %}
        {{ computed_once() }} as _trimmed_once
        {%- endif %}
    from delivered
    {%- if digested %}
    -- one row per record_digest, so no row is lost or doubled
    left join first_deliveries
        on {{ record_digest(digested) }} = first_deliveries.record_digest
    {%- endif %}

),
{%- if rearranged %}

rearranged as (

    select
        *,
        {%- for column in rearranged %}
        case when {{ column.text }} like '{{ column.shape }}' then {{ column.iso_text }} end as {{ column.name }}_iso_text,
        {%- endfor %}
        {{ computed_once() }} as _rearranged_once
    from texts

),
{%- endif %}

typed as (

    select
        {{ sales_line_id(item_number='_item_number' if '_item_number' in lineage else none) }} as sales_line_id,
        {%- for column in columns %}
        {%- if column.text %}
        {{ column.text }},
        {%- endif %}
        {%- if column.level == 0 and not column.of_file %}
        {{ column.expression }} as {{ column_name(column.name) }},
        {%- endif %}
        {%- endfor %}
        {%- if 'row:blank' in codes %}
        {{ is_blank_record(delivered) }} as is_blank,
        {%- endif %}
        {%- if 'row:repeated_header' in codes %}
        {{ is_repeated_header(delivered) }} as is_repeated_header,
        {%- endif %}
        {%- if 'text:control_character' in codes %}
        {{ has_control_character(delivered) }} as has_control_character,
        {%- endif %}
        {%- if 'row:exact_duplicate' in codes %}
        occurrence_number,
        {%- endif %}
        {%- if digested %}
        first_file_id,
        {%- endif %}
        {{ delivered_values(delivered) }} as delivered_values,
        {{ computed_once() }} as _computed_once,
        {{ places | join(',\n        ') }}
    from {{ 'rearranged' if rearranged else 'texts' }}

),
{%- if ledger %}
{%- set steps.last = 'placed' %}

placed as (

    select
        typed.*
        {%- for name in ledger %},
        arrivals.{{ name }}
        {%- endfor %}
    from typed
    left join arrivals
        on typed._file_id = arrivals.file_id

),
{%- endif %}
{%- for level in range(1, levels + 1) %}

computed_{{ level }} as (

    select
        *
        {%- for column in columns if column.level == level %},
        {{ column.expression }} as {{ column_name(column.name) }}
        {%- endfor %}
    from {{ steps.last }}

),
{%- set steps.last = 'computed_' ~ level %}
{%- endfor %}
{%- for name in in_sequence %}

sequenced as (

    {{ flag_out_of_sequence(steps.last, name, items='_item_number' in lineage) }}

),
{%- set steps.last = 'sequenced' %}
{%- endfor %}

checked as (

    select
        *,
        {{ issue_codes(judging, 'quarantined', of_messages='_offset' in lineage) }} as issues,
        {{ issue_codes(judging, 'flagged', of_messages='_offset' in lineage) }} as remarks,
        {{ computed_once() }} as _checked_once
    from {{ steps.last }}

),

final as (

    select
        sales_line_id,
        {%- for name in shown %}
        {{ column_name(name) }},
        {%- endfor %}
        {{ row_status(checks) }} as row_status,
        {{ row_issues(checks) }} as row_issues,
        delivered_values,
        {{ places | join(',\n        ') }}
    from checked

)

select * from final
{%- endmacro %}

{# What orders the rows that may be duplicates: of a file all, of a topic the items of one message. #}
{% macro places_of_rows(lineage) -%}
    {{ return(([] if '_offset' in lineage else ['_row_number']) + (['_item_number'] if '_item_number' in lineage else [])) }}
{%- endmacro %}

{# The columns of the ledger that a model needs: those that it has itself, and those that its checks ask for. #}
{% macro ledger_columns(columns, checks) -%}
    {%- set known = ['delivered_at', 'period_start_date', 'period_end_date', 'delivery_key', 'file_name'] -%}
    {%- set needed = columns | selectattr('of_file') | map(attribute='name') | list -%}
    {%- for name in needed if name not in known -%}
        {{ exceptions.raise_compiler_error(
            staged_feed() ~ ': ' ~ name ~ ' is no column of a file. Known are: ' ~ known | join(', ') ~ '.'
        ) }}
    {%- endfor -%}
    {%- for code, condition in checks -%}
        {%- do needed.extend(words_of(condition)) -%}
    {%- endfor -%}
    {{ return(known | select('in', needed) | list) }}
{%- endmacro %}

{# The columns of the raw table are written down twice, in its declaration and here: both must be the same. #}
{% macro assert_delivered(delivered) -%}
    {%- for feed in (feeds() if execute and graph.sources else []) if feed.name == staged_feed() -%}
        {%- set declared = [] -%}
        {%- for name in feed.source.columns if not name.startswith('_') -%}
            {%- do declared.append(name) -%}
        {%- endfor -%}
        {%- set differing = declared | reject('in', delivered) | list + delivered | reject('in', declared) | list -%}
        {%- if differing or declared != delivered -%}
            {{ exceptions.raise_compiler_error(
                feed.name ~ ': `delivered` of ' ~ model.name ~ ' must have the columns of the declaration in their order: '
                ~ declared | join(', ') ~ (' (different: ' ~ differing | join(', ') ~ ').' if differing else '.')
            ) }}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro %}

{# The words of an expression: names of columns among them. #}
{% macro words_of(expression) -%}
    {{ return(modules.re.findall('[a-z_][a-z0-9_]*', expression)) }}
{%- endmacro %}
