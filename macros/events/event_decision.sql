{# Whether the event of a staged row counts: counted, repeated or superseded; NULL for a row of no event. A subquery and not a
   join: an index finds each record, while PostgreSQL moves no list of files through a join to the table of all records. #}
{% macro event_decision(staged, decisions=none) -%}
    (
        select max(decisions.decision)
        {#- dbt gives a relation a name of its own with --empty #}
        from (select * from {{ decisions or read_model('int_events__records_decided') }}) as decisions
        where decisions._file_id = {{ staged }}._file_id and decisions._row_number = {{ staged }}._row_number
    )
{%- endmacro %}

{# The relation of the decisions for macros that find feeds by name. #}
{% macro event_decisions() -%}
    {%- set node = graph.nodes.get('model.' ~ project_name ~ '.int_events__records_decided') -%}
    {%- if node -%}
        {{ return({
            'unique_id': node.unique_id,
            'relation_name': read_relation(node),
        }) }}
    {%- endif -%}
    {{ exceptions.raise_compiler_error(
        'A staging model declares meta.events, but the project has no model int_events__records_decided.'
    ) }}
{%- endmacro %}
