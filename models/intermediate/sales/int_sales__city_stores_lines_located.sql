-- Grain: one row per record of a file of city_stores.receipt_lines.
-- A line has place and business day of its store, as the list of its day has them.
with

lines as (

    {{ look_up('stg_city_stores__receipt_lines_typed', [
        {'lookup': 'stg_city_stores__stores', 'key': ['store_id'], 'date': 'order_date'},
    ]) }}

),

final as (

    select
        sales_line_id,
        store_id,
        order_id,
        product_id,
        product_name,
        product_category,
        product_subcategory,
        channel,
        stores__country as country,
        stores__region as region,
        promotion_code,
        return_reason,
        currency,
        looked_up_status as row_status,
        looked_up_issues as row_issues,
        delivered_values,
        quantity,
        unit_price,
        gross_amount,
        discount_amount,
        net_amount,
        tax_amount,
        {{ business_day('ordered_at', 'stores__day_ends_at') }} as order_date,
        ordered_at,
        _file_id,
        _row_number
    from lines

)

select * from final
