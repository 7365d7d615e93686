-- Grain: one row per merchandise line of type return or cancellation.
-- Amounts may be summed only within one currency, except return_amount_reporting; days_to_return must not be summed.
{{ config(
    materialized='table_when_new',
) }}
with

merchandise_lines as (

    select *
    from {{ ref('fct_sales_lines') }}
    where is_merchandise

),

return_lines as (

    select *
    from merchandise_lines
    where line_type in ('return', 'cancellation')

),

-- A line without a customer cannot be matched to a sale.
returned_products as (

    -- distinct: a customer with two returns of one product must not double its sales
    select distinct
        customer_key,
        product_key
    from return_lines
    where customer_id is not null

),

sales_of_returned_products as (

    select merchandise_lines.*
    from merchandise_lines
    inner join returned_products
        on
            merchandise_lines.customer_key = returned_products.customer_key
            and merchandise_lines.product_key = returned_products.product_key
    where merchandise_lines.line_type = 'sale'

),

-- Sales and returns of one customer and product in one sequence, in order of time: each return belongs to the sale
-- before it. A join on customer and product would pair every return with every sale.
purchases_and_returns as (

    select
        sales_line_id,
        customer_key,
        product_key,
        order_date,
        ordered_at,
        1 as is_sale,
        -- where only the day is known, sales come first and returns last
        0 as is_end_of_day,
        _file_id,
        _row_number
    from sales_of_returned_products

    union all

    select
        sales_line_id,
        customer_key,
        product_key,
        order_date,
        ordered_at,
        0 as is_sale,
        case when ordered_at is null then 1 else 0 end as is_end_of_day,
        _file_id,
        _row_number
    from return_lines
    where customer_id is not null

),

numbered as (

    select
        *,
        sum(is_sale) over (
            partition by customer_key, product_key
            order by
                order_date asc nulls last,
                is_end_of_day asc nulls last,
                ordered_at asc nulls first,
                -- at the same moment the sale comes first
                is_sale desc nulls last,
                _file_id asc nulls last,
                _row_number asc nulls last,
                -- items of one record
                sales_line_id asc nulls last
            rows between unbounded preceding and current row
        ) as sale_number
    from purchases_and_returns

),

numbered_sales as (

    select
        customer_key,
        product_key,
        sale_number,
        sales_line_id as sale_line_id,
        order_date as sale_date
    from numbered
    where is_sale = 1

),

sales_of_returns as (

    select
        numbered.sales_line_id,
        numbered_sales.sale_line_id,
        numbered_sales.sale_date
    from numbered
    inner join numbered_sales
        on
            numbered.customer_key = numbered_sales.customer_key
            and numbered.product_key = numbered_sales.product_key
            and numbered.sale_number = numbered_sales.sale_number
    where numbered.is_sale = 0

),

final as (

    select
        return_lines.sales_line_id,
        return_lines.source_system,
        return_lines.order_id,
        return_lines.line_type,
        return_lines.customer_key,
        return_lines.product_key,
        sales_of_returns.sale_line_id,
        return_lines.currency,
        cast(-return_lines.quantity as numeric(18, 4)) as quantity,
        cast(-return_lines.net_amount as numeric(18, 4)) as return_amount,
        cast(-return_lines.net_amount_reporting as numeric(28, 4)) as return_amount_reporting,
        {{ days_between('sales_of_returns.sale_date', 'return_lines.order_date') }} as days_to_return,
        sales_of_returns.sale_line_id is not null as is_matched,
        return_lines.order_date as return_date,
        sales_of_returns.sale_date,
        return_lines._file_id,
        return_lines._row_number
    from return_lines
    -- no match where no sale was found
    left join sales_of_returns
        on return_lines.sales_line_id = sales_of_returns.sales_line_id

)

select * from final
