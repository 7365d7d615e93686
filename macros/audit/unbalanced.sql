{# A step without lines would pass, so it must have some wherever `reasons` has rows. #}
{% macro unbalanced(step, reasons, called, condition='true') -%}
with

final as (

    select
        scope,
        rows_difference,
        quantity_difference,
        net_amount_difference,
        net_amount_reporting_difference,
        net_sales_amount_difference,
        net_sales_amount_reporting_difference
    from {{ ref('reconciliation') }}
    where step = '{{ step }}' and not is_balanced

    union all

    select
        'the step has no lines, although there are {{ called }}' as scope,
        null as rows_difference,
        null as quantity_difference,
        null as net_amount_difference,
        null as net_amount_reporting_difference,
        null as net_sales_amount_difference,
        null as net_sales_amount_reporting_difference
    where
        exists (select 1 as found from {{ reasons }} where {{ condition }})
        and not exists (select 1 as found from {{ ref('reconciliation') }} where step = '{{ step }}')

)

select * from final
{%- endmacro %}
