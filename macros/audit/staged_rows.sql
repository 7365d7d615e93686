{# A feed without a staging model is left out here and so shows as a difference at raw_to_staging. #}
{% macro staged_rows(columns) -%}
    {%- for feed in feeds() if feed.outcome_relation %}
    {{ 'union all' if not loop.first }}
    select
        cast('{{ feed.name }}' as {{ text_type() }}) as feed,
        {{ (columns_of_lookup(feed, columns) if feed.lookup else columns) | join(', ') }}
    from {{ decided_rows(feed, columns) if feed.events else feed.outcome_relation }}
    where {{ only_new_files() }}
    {%- endfor %}
{%- endmacro %}

{# The rows of a lookup are no sales: they have no quantity and no amount, and are known by their place alone. #}
{% macro columns_of_lookup(feed, columns) -%}
    {%- set selected = [] -%}
    {%- for column in columns -%}
        {%- if column == 'sales_line_id' -%}
            {%- do selected.append(row_place(item_number='_item_number' if '_item_number' in feed.lookup.places else none) ~ ' as sales_line_id') -%}
        {%- elif column in ('quantity', 'net_amount') -%}
            {%- do selected.append('cast(null as ' ~ var('sum_type') ~ ') as ' ~ column) -%}
        {%- else -%}
            {%- do selected.append(column) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(selected) }}
{%- endmacro %}

{# The staged rows of a feed of events with the outcomes repeated and superseded. #}
{% macro decided_rows(feed, columns) -%}
    (
        select
            {%- for column in columns %}
            {%- if column == 'row_status' %}
            case when decision <> 'counted' then decision else row_status end as row_status,
            {%- elif column == 'row_issues' %}
            case when decision <> 'counted' then 'event:' || decision else row_issues end as row_issues,
            {%- elif column != '_file_id' %}
            {{ column }},
            {%- endif %}
            {%- endfor %}
            _file_id
        from (
            select
                staged.*,
                case
                    when {{ is_event(feed.events) }} then {{ event_decision('staged', event_decisions().relation_name) }}
                end as decision,
                {{ computed_once() }} as _computed_once
            from {{ feed.outcome_relation }} as staged
        ) as rows_of_events
    ) as decided
{%- endmacro %}
