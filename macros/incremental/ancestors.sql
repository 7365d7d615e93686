{# Models and seeds whose code decides what a model holds: up to the next relations that follow the ledger themselves, which
   are told in `followed`; what lies behind those shows in when they were rebuilt. Each with the relation that is read: behind
   a deferred one everything is the other target's. #}
{% macro ancestors(node) -%}
    {%- set found = {'code': [], 'followed': []} -%}
    {%- set waiting = [] -%}
    {%- for unique_id in node.depends_on.nodes -%}
        {%- do waiting.append([unique_id, false]) -%}
    {%- endfor -%}
    {%- if node.depends_on.macros | select('in', [
        'macro.sales_warehouse.staged_rows', 'macro.sales_warehouse.raw_row_counts'
    ]) | list -%}
        {%- for feed in feeds() if feed.staging_model -%}
            {%- do waiting.append([feed.staging_model, false]) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set seen = [] -%}
    {# a for loop over a list that grows would be simpler, and is not safe in Jinja #}
    {%- for _ in range(graph.nodes | length) if waiting -%}
        {%- set unique_id, behind_deferred = waiting.pop() -%}
        {%- if unique_id not in seen and unique_id in graph.nodes -%}
            {%- do seen.append(unique_id) -%}
            {%- set parent = graph.nodes[unique_id] -%}
            {%- set deferred = parent.defer_relation and (behind_deferred or is_deferred(parent)) -%}
            {%- set read = {
                'unique_id': unique_id,
                'relation_name': (parent.defer_relation if deferred else parent).relation_name,
            } -%}
            {%- if follows_ledger(parent) -%}
                {%- do found.followed.append(read) -%}
            {%- else -%}
                {%- do found.code.append(read) -%}
                {%- for grandparent in parent.depends_on.nodes -%}
                    {%- do waiting.append([grandparent, deferred]) -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
