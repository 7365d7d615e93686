{% macro only_touched_members() -%}
    {%- set window = model.build_window -%}
    {%- if not window or window.is_whole -%}
        {{ return('true') }}
    {%- endif -%}
    {{ return(in_members(model, window.after_event_id, window.event_id)) }}
{%- endmacro %}

{# The rows of the members that came or went, after one event and up to another, in the relations that a model of the strategy
   by_touched_member reads: those that have a row on a touched date now, and those that had one and have none there any more. Not
   the unknown member, which has rows on every day: such models leave it out. #}
{% macro in_members(node, after_event, up_to_event) -%}
    {%- set column = node.config.meta.member_column -%}
    {%- set members = [] -%}
    {%- for parent in ancestors(node).followed if graph.nodes[parent.unique_id].config.meta.get('member_column') == column -%}
        {%- set dates = touched_dates([parent.relation_name], after_event, up_to_event) -%}
        {%- do members.append(
            'select ' ~ column ~ ' from ' ~ parent.relation_name ~ ' where '
            ~ in_periods(graph.nodes[parent.unique_id].config.meta.date_column, merged_periods(dates))
            ~ ' and ' ~ column ~ ' <> ' ~ unknown_member_key()
        ) -%}
        {%- do members.append(
            'select member_key from ' ~ readable_build_state('touched_members', ['relation_name', 'event_id', 'member_key'])
            ~ " where relation_name = '" ~ parent.relation_name ~ "' and event_id > " ~ after_event
            ~ ' and event_id <= ' ~ up_to_event
        ) -%}
    {%- endfor -%}
    {{ return(column ~ ' in (' ~ members | join(' union all ') ~ ')') }}
{%- endmacro %}

{# Before a strategy deletes the rows that meet a condition: with meta.member_column record the members that are not inserted
   again. The others are found by their dates, so a new day records none. #}
{% macro record_gone_members(arg_dict, gone) -%}
    {%- set column = model.config.meta.get('member_column') -%}
    {%- if column %}
    insert into {{ build_state('touched_members') }} (relation_name, event_id, member_key)
    select '{{ model.relation_name }}', {{ model.build_window.event_id }}, {{ column }}
    from (
        select {{ column }} from {{ arg_dict['target_relation'] }} where {{ gone }}
        except
        select {{ column }} from {{ arg_dict['temp_relation'] }}
    ) as gone_members
    on conflict do nothing;
    {%- endif -%}
{%- endmacro %}
