{% macro only_touched_members(date_column='order_date', period='day') -%}
    {%- set window = model.build_window -%}
    {%- if not window or window.is_whole -%}
        {{ return(only_sampled_dates(date_column, month_end(date_column) if period == 'month' else none)) }}
    {%- endif -%}
    {{ return(in_members(model, window.after_event_id, window.event_id)) }}
{%- endmacro %}

{# The rows of the members that came or went, after one event and up to another, in the relations that a model of the strategy
   by_touched_member reads: those that have a row on a touched date now, and those that are recorded. Not the unknown member,
   which has rows on every day: such models leave it out. #}
{% macro in_members(node, after_event, up_to_event) -%}
    {%- set column = node.config.meta.member_column -%}
    {%- set members = [] -%}
    {%- for parent in ancestors(node).followed if graph.nodes[parent.unique_id].config.meta.get('member_column') == column -%}
        {%- set meta = graph.nodes[parent.unique_id].config.meta -%}
        {#- not the dates that an order by its first line has, or one return of today makes all customers of that day due -#}
        {%- set dates = touched_dates(
            ancestors(graph.nodes[parent.unique_id]).followed | map(attribute='relation_name') | list, after_event, up_to_event
        ) -%}
        {%- do members.append(
            'select ' ~ column ~ ' from ' ~ parent.relation_name ~ ' where '
            ~ in_periods(meta.date_column, merged_periods(dates), meta.last_date_column)
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

{# Before a strategy replaces the rows that meet one of some conditions: with meta.member_column record the members of rows that go or come,
   except those that have a row on a touched date then. These are found by their dates, so a new day records none. An order that
   loses its line of a touched date is not found by it. #}
{% macro record_gone_members(arg_dict, gone) -%}
    {%- set meta = model.config.meta -%}
    {%- set column = meta.get('member_column') -%}
    {%- if column %}
    insert into {{ build_state('touched_members') }} (relation_name, event_id, member_key)
    select '{{ model.relation_name }}', {{ model.build_window.event_id }}, {{ column }}
    from (
        {%- for condition in gone %}
        select {{ column }} from {{ arg_dict['target_relation'] }} where {{ condition }}
        union
        {%- endfor %}
        select {{ column }} from {{ arg_dict['temp_relation'] }}
        except
        select {{ column }} from {{ arg_dict['temp_relation'] }}
        where {{ in_periods(meta.date_column, merged_periods(model.build_window.dates), meta.last_date_column) }}
    ) as gone_members
    on conflict do nothing;
    {%- endif -%}
{%- endmacro %}
