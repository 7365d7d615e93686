{# dbt's own macro of that name: what a generic test looks at. A test of a relation that follows the ledger looks at what
   changed since its tests last passed; after a full refresh, and where no build wrote the relation, at everything. #}
{% macro get_where_subquery(relation) -%}
    {%- set conditions = [config.get('where')] if config.get('where') else [] -%}
    {%- set changed = only_untested() -%}
    {%- if changed -%}
        {%- do conditions.append(changed) -%}
    {%- endif -%}
    {%- if conditions -%}
        {{ return('(select * from ' ~ relation ~ ' where ' ~ conditions | join(' and ') ~ ') dbt_subquery') }}
    {%- endif -%}
    {{ return(relation) }}
{%- endmacro %}

{% macro only_untested() -%}
    {%- set node = graph.nodes.get(model.attached_node) if execute and is_build() and model.attached_node else none -%}
    {%- if not node or not follows_ledger(node) -%}
        {{ return('') }}
    {%- endif -%}
    {%- set conditions = remembered('untested') -%}
    {%- if node.unique_id not in conditions -%}
        {%- do conditions.update({node.unique_id: look_up_untested(node)}) -%}
    {%- endif -%}
    {{ return(conditions[node.unique_id]) }}
{%- endmacro %}

{% macro look_up_untested(node) -%}
    {%- set rows = run_query(
        "select event_id, tested_event_id from " ~ ledger_books('model_watermarks')
        ~ " where relation_name = '" ~ node.relation_name ~ "' and built_by = '" ~ invocation_id ~ "'"
        ~ " and tested_event_id is not null"
    ).rows -%}
    {%- if not rows -%}
        {{ return('') }}
    {%- endif -%}
    {%- if node.config.incremental_strategy == 'when_new' -%}
        {{ return('false' if rows[0][1] == rows[0][0] else '') }}
    {%- endif -%}
    {%- if node.config.incremental_strategy == 'by_file' -%}
        {{ return(in_list('_file_id', touched_files(rows[0][1], rows[0][0]))) }}
    {%- endif -%}
    {%- set followed_names = ancestors(node).followed | map(attribute='relation_name') | list -%}
    {%- set dates = touched_dates(followed_names, rows[0][1], rows[0][0]) -%}
    {%- if node.config.incremental_strategy == 'by_touched_key' -%}
        {{ return(meets_dates(node.config.meta, dates)) }}
    {%- endif -%}
    {{ return(in_dates(node.config.meta.date_column, dates, node.config.meta.get('period', 'day'))) }}
{%- endmacro %}
