{# A group that is missing on one side counts 0 there, as in audit.reconciliation. Both sides are limited to the
   untested rows, so both must have the columns of that condition. #}
{% macro different_totals(relation, by, totals, other, other_by=none, other_totals=none) -%}
with

own as (

    select
        {%- for column in by %}
        {{ column }} as group_{{ loop.index }},
        {%- endfor %}
        {%- for total in totals %}
        {{ total }} as total_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    group by {{ by | join(', ') }}

),

others as (

    select
        {%- for column in other_by or by %}
        {{ column }} as group_{{ loop.index }},
        {%- endfor %}
        {%- for total in other_totals or totals %}
        {{ total }} as total_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ other }}
    where {{ untested_rows() if (config.get('meta') or {}).get('rows') == 'untested' else 'true' }} and {{ only_rows_of_sample(other_by or by) }}
    group by {{ (other_by or by) | join(', ') }}

),

compared as (

    select
        {%- for column in by %}
        coalesce(own.group_{{ loop.index }}, others.group_{{ loop.index }}) as group_{{ loop.index }},
        {%- endfor %}
        {%- for total in totals %}
        coalesce(own.total_{{ loop.index }}, 0) as own_total_{{ loop.index }},
        coalesce(others.total_{{ loop.index }}, 0) as other_total_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from own
    full outer join others
        on
            {%- for column in by %}
            {{ 'and ' if not loop.first }}own.group_{{ loop.index }} = others.group_{{ loop.index }}
            {%- endfor %}

)

select *
from compared
where
    {{ has_come_as_far_as(other) }}
    and (
        {%- for total in totals %}
        {{ 'or ' if not loop.first }}own_total_{{ loop.index }} <> other_total_{{ loop.index }}
        {%- endfor %}
    )
{%- endmacro %}

{# After a build of only one of the two relations their totals may differ; the next whole build compares them. #}
{% macro has_come_as_far_as(other) -%}
    {%- if not execute or not is_build() or not keeps_build_state() -%}
        {{ return('true') }}
    {%- endif -%}
    {{ return(
        "(select count(distinct event_id) from " ~ readable_build_state('model_watermarks', ['relation_name', 'event_id'])
        ~ " where relation_name in ('" ~ graph.nodes[model.attached_node].relation_name ~ "', '" ~ other ~ "')) < 2"
    ) }}
{%- endmacro %}
