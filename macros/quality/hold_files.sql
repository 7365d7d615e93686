{# On-run-end. The files over their limit, found by the test row_outcomes__no_file_is_over_its_limit in this build, are held:
   the next build leaves their rows out. Only a build of the target prod holds files. #}
{% macro hold_files(results) -%}
    {%- set failed = [] -%}
    {%- for result in results if result.status == 'fail' -%}
        {%- do failed.append(result.node.name) -%}
    {%- endfor -%}
    {%- if not execute or target.name != 'prod' or 'row_outcomes__no_file_is_over_its_limit' not in failed -%}
        {{ return('') }}
    {%- endif -%}
    {#- not by ref(), which would tie the hook to the model in every project that has our macros -#}
    {%- set outcomes = graph.nodes['model.sales_warehouse.row_outcomes'].relation_name -%}
    {%- set statements = [] -%}
    {%- for file in run_query(files_over_limit(outcomes)).rows -%}
        {%- set told = describe_quarantined(file, outcomes) -%}
        {%- if file.reaction == 'hold' -%}
            {%- do statements.append(
                "select ledger.hold_file(" ~ file.file_id ~ ", '" ~ told | replace("'", "''") ~ "', '" ~ invocation_id ~ "')"
            ) -%}
        {%- endif -%}
        {%- do log(('Held: ' if file.reaction == 'hold' else 'Over the limit: ') ~ file.uri ~ ': ' ~ told, info=true) -%}
    {%- endfor -%}
    {%- if statements -%}
        {%- do log('The next build leaves the held files out: dbt build --target prod', info=true) -%}
    {%- endif -%}
    {{ return(in_transaction_of_build(statements | join(';\n'))) }}
{%- endmacro %}

{# What a person needs to decide about a file: the counts, the three commonest reasons, and the commands. #}
{% macro describe_quarantined(file, row_outcomes) -%}
    {%- set counts = {} -%}
    {%- for row in run_query(
        "select row_issues, row_count from " ~ row_outcomes ~ " where row_status = 'quarantined' and _file_id = "
        ~ file.file_id ~ " order by row_issues asc nulls last"
    ).rows -%}
        {%- for code in row.row_issues.split(';') if quality_rule(code, file.feed).outcome == 'quarantined' -%}
            {%- do counts.update({code: counts.get(code, 0) + row.row_count | int}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set reasons = [] -%}
    {%- for code, number in counts.items() | sort(attribute=1, reverse=true) -%}
        {%- do reasons.append(code ~ ' ' ~ '{:,}'.format(number)) if loop.index <= 3 -%}
    {%- endfor -%}
    {%- set relation = (feeds() | selectattr('name', 'equalto', file.feed) | list)[0].staging_relation | replace('"', '') -%}
    {%- set commands = 'See them: warehouse sql "select _row_number, row_issues, delivered_values from ' ~ relation.split('.')[-2:] | join('.')
        ~ " where _file_id = " ~ file.file_id ~ " and row_status = 'quarantined'" ~ '".' -%}
    {%- if file.reaction == 'hold' -%}
        {%- set commands = commands ~ ' Accept it: warehouse files --accept ' ~ file.file_id
            ~ '. Refuse it: warehouse files --refuse ' ~ file.file_id ~ '.' -%}
    {%- endif -%}
    {#- a segment that was split or reloaded is not restored: its messages are those of other segments -#}
    {%- if file.supersedes_file_id and not file.uri.startswith('kafka:') -%}
        {%- set commands = commands ~ ' It replaced file ' ~ file.supersedes_file_id
            ~ ', whose rows are gone: warehouse restore ' ~ file.supersedes_file_id ~ ' loads them again.' -%}
    {%- endif -%}
    {{ return(
        '{:,} of {:,} rows are quarantined, and the limit is {}: {}. {}'.format(
            file.quarantined_count | int, file.judged_count | int, file.limit_text, reasons | join(', '), commands
        )
    ) }}
{%- endmacro %}
