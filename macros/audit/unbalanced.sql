{# A step without lines would pass, so it must have some wherever `reasons` has rows. #}
{% macro unbalanced(step, reasons, called, condition='true') -%}
with

step_lines as (

    select
        scope,
        rows_difference,
        quantity_difference,
        net_amount_difference,
        net_amount_reporting_difference,
        net_sales_amount_difference,
        net_sales_amount_reporting_difference,
        is_balanced
    from {{ ref('reconciliation') }}
    where step = '{{ step }}'

),

reasons as (

    select count(*) as reason_count
    from {{ reasons }}
    where {{ condition }}

),

final as (

    select
        scope,
        rows_difference,
        quantity_difference,
        net_amount_difference,
        net_amount_reporting_difference,
        net_sales_amount_difference,
        net_sales_amount_reporting_difference
    from step_lines
    where not is_balanced

    union all

    select
        'the step has no lines, although there are {{ called }}' as scope,
        null as rows_difference,
        null as quantity_difference,
        null as net_amount_difference,
        null as net_amount_reporting_difference,
        null as net_sales_amount_difference,
        null as net_sales_amount_reporting_difference
    from reasons
    where reason_count > 0 and not exists (select 1 as found from step_lines)

)

select * from final
{%- endmacro %}
