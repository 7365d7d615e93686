{# When all tests of a relation passed in the build that wrote it, its rows are tested up to the watermark. Until then
   the tests of the next build read the same rows again. #}
{% macro close_build(results) -%}
    {%- if not execute or not keeps_build_state() -%}
        {{ return('') }}
    {%- endif -%}
    {%- set passed = [] -%}
    {%- for result in results if result.node.resource_type == 'test' and result.status in ('pass', 'warn') -%}
        {%- do passed.append(result.node.unique_id) -%}
    {%- endfor -%}
    {%- set tests_of = {} -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'test' and node.attached_node -%}
        {%- do tests_of.setdefault(node.attached_node, []).append(node.unique_id) -%}
    {%- endfor -%}
    {%- set tested = [] -%}
    {%- for unique_id, tests in tests_of.items() -%}
        {%- set node = graph.nodes[unique_id] if unique_id in graph.nodes else none -%}
        {%- if node and has_watermark(node) and tests | reject('in', passed) | list | length == 0 -%}
            {%- do tested.append(node.relation_name | replace("'", "''")) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if tested -%}
    {{ begin_transaction() }}
    update {{ build_state('model_watermarks') }}
    set tested_event_id = event_id
    where relation_name in ('{{ tested | join("', '") }}');
    commit
    {%- endif -%}
{%- endmacro %}
