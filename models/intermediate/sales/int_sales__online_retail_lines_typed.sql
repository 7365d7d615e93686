-- Grain: one row per accepted invoice line of online_retail.
-- Sums over all line types are net of cancellations, returns, fees and adjustments.
with

invoice_lines as (

    select * from {{ ref('stg_online_retail__invoice_lines_typed') }}

),

non_product_codes as (

    select * from {{ ref('line_codes') }}
    where source_system = 'online_retail'

),

final as (

    select
        invoice_lines.sales_line_id,
        invoice_lines.order_id,
        invoice_lines.product_id,
        invoice_lines.product_name,
        invoice_lines.customer_id,
        cast('online' as {{ text_type() }}) as channel,
        invoice_lines.country,
        invoice_lines.currency,
        -- the order of the branches is the rule: a cancelled postage is a cancellation, a paid-back postage is a fee
        case
            when invoice_lines.is_cancellation then 'cancellation'
            when non_product_codes.line_type is not null then non_product_codes.line_type
            when invoice_lines.quantity < 0 then 'return'
            else 'sale'
        end as line_type,
        invoice_lines.quantity,
        invoice_lines.unit_price,
        invoice_lines.net_amount,
        -- by the code alone, whatever the line type: a cancelled postage is not merchandise either
        non_product_codes.line_code is null as is_merchandise,
        invoice_lines.order_date,
        invoice_lines.ordered_at,
        invoice_lines._file_id,
        invoice_lines._row_number
    from invoice_lines
    -- line_code is unique in the seed (tested), so no line is doubled; the comparison is case-sensitive
    left join non_product_codes
        on invoice_lines.product_id = non_product_codes.line_code
    where invoice_lines.row_status = 'accepted'

)

select * from final
