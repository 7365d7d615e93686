{# Models and seeds whose code decides which rows a model has: `followed` are the nearest ancestors that follow the
   ledger, `code` those between. Changes behind a followed relation show in its `rebuilt_by`. Each comes with the
   relation that is read; all ancestors of a deferred relation are those of the other target. #}
{% macro ancestors(node) -%}
    {%- set found = {'code': [], 'followed': []} -%}
    {%- set waiting = [] -%}
    {%- for unique_id in node.depends_on.nodes -%}
        {%- do waiting.append([unique_id, false]) -%}
    {%- endfor -%}
    {%- set read_by_name = feed_models(node) -%}
    {%- if read_by_name and feeds() | selectattr('events') | list -%}
        {%- do read_by_name.append(event_decisions().unique_id) -%}
    {%- endif -%}
    {%- for unique_id in read_by_name -%}
        {%- do waiting.append([unique_id, false]) -%}
    {%- endfor -%}
    {%- set seen = [] -%}
    {# Jinja cannot loop over a list that grows #}
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
