{# Overrides dbt's macro, as dbt's documentation of `where` describes. A test with the meta `rows: untested`, which
   dbt_project.yml gives to all, reads the rows that changed since the tests of the model last passed. #}
{% macro get_where_subquery(relation) -%}
    {%- set conditions = [config.get('where') or 'true'] -%}
    {%- do conditions.append(untested_rows()) if (config.get('meta') or {}).get('rows') == 'untested' -%}
    {%- set conditions = conditions | reject('equalto', 'true') | join(' and ') -%}
    {{ return('(select * from ' ~ relation ~ ' where ' ~ conditions ~ ') dbt_subquery' if conditions else relation) }}
{%- endmacro %}

{# The whole relation that the compiled test is about; none while dbt parses. #}
{% macro tested_relation() -%}
    {%- set node = graph.nodes.get(model.attached_node) if execute and model.attached_node else none -%}
    {{ return(read_relation(node) if node else none) }}
{%- endmacro %}

{# `true`, for all rows, when the relation was built from nothing or when no build wrote it. #}
{% macro untested_rows() -%}
    {%- set node = graph.nodes.get(model.attached_node) if execute and is_build() and model.attached_node else none -%}
    {%- if not node or not has_watermark(node) or not keeps_build_state() -%}
        {{ return('true') }}
    {%- endif -%}
    {#- the tests of a model begin when it is built, and ask the same -#}
    {%- set known = graph.setdefault('untested_rows', {}) -%}
    {%- if node.unique_id not in known -%}
        {%- do known.update({node.unique_id: find_untested_rows(node)}) -%}
    {%- endif -%}
    {{ return(known[node.unique_id]) }}
{%- endmacro %}

{% macro find_untested_rows(node) -%}
    {%- set rows = run_query(
        "select event_id, tested_event_id from " ~ build_state('model_watermarks')
        ~ " where relation_name = '" ~ node.relation_name ~ "' and built_by = '" ~ invocation_id ~ "'"
        ~ " and tested_event_id is not null"
    ).rows -%}
    {%- if not rows -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set up_to_event, after_event = rows[0] -%}
    {%- if not rebuilt_in_part(node) -%}
        {{ return('false' if after_event == up_to_event else 'true') }}
    {%- elif is_by_file(node) -%}
        {{ return(in_list('_file_id', touched_files(after_event, up_to_event))) }}
    {%- endif -%}
    {%- set meta = node.config.meta -%}
    {%- if node.config.incremental_strategy == 'by_touched_member' -%}
        {{ return(in_members(node, after_event, up_to_event)) }}
    {%- elif meta.get('records_dates') -%}
        {{ return(in_dates(meta.records_dates, touched_dates([node.relation_name], after_event, up_to_event))) }}
    {%- endif -%}
    {%- set followed_names = ancestors(node).followed | map(attribute='relation_name') | list -%}
    {%- set dates = touched_dates(followed_names, after_event, up_to_event) -%}
    {%- if node.config.incremental_strategy == 'by_touched_key' -%}
        {{ return(in_periods(meta.date_column, merged_periods(dates), meta.last_date_column)) }}
    {%- endif -%}
    {{ return(in_dates(meta.date_column, dates, meta.get('period', 'day'))) }}
{%- endmacro %}
