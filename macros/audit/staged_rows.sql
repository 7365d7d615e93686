{# A feed without a staging model is left out here and so shows as a difference at raw_to_staging. #}
{% macro staged_rows(columns) -%}
    {%- for feed in feeds() if feed.rows_relation %}
    {{ 'union all' if not loop.first }}
    select
        cast('{{ feed.name }}' as {{ text_type() }}) as feed,
        {{ columns | join(', ') }}
    from {{ decided_rows(feed, columns) if feed.events else feed.rows_relation }}
    where {{ only_new_files() }}
    {%- endfor %}
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
            from {{ feed.rows_relation }} as staged
        ) as rows_of_events
    ) as decided
{%- endmacro %}
