{# Models and seeds whose code decides what a model holds: up to the next relations that follow the ledger themselves, which
   are told in `followed`; what lies behind those shows in when they were rebuilt. #}
{% macro ancestors(node) -%}
    {%- set found = {'code': [], 'followed': []} -%}
    {%- set waiting = node.depends_on.nodes | list -%}
    {%- if node.depends_on.macros | select('in', [
        'macro.sales_warehouse.staged_rows', 'macro.sales_warehouse.raw_row_counts'
    ]) | list -%}
        {%- for feed in feeds() if feed.staging_model -%}
            {%- do waiting.append(feed.staging_model) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set seen = [] -%}
    {# a for loop over a list that grows would be simpler, and is not safe in Jinja #}
    {%- for _ in range(graph.nodes | length) if waiting -%}
        {%- set unique_id = waiting.pop() -%}
        {%- if unique_id not in seen and unique_id in graph.nodes -%}
            {%- do seen.append(unique_id) -%}
            {%- set parent = graph.nodes[unique_id] -%}
            {%- if follows_ledger(parent) -%}
                {%- do found.followed.append(parent) -%}
            {%- else -%}
                {%- do found.code.append(parent) -%}
                {%- do waiting.extend(parent.depends_on.nodes | list) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
