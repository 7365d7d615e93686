-- Grain: one row per merchandise line of type return or cancellation.
-- Amounts may be summed only within one currency, except return_amount_reporting; days_to_return must not be summed.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_key',
    meta={
        'key_column': "case when customer_key = 'unknown' then sales_line_id else customer_key || ' ' || product_key end",
        'date_column': 'coalesce(sale_date, return_date)', 'last_date_column': 'return_date',
        'records_dates': 'return_date',
    },
) }}
with

-- A build reads all lines of a customer and product of which a sale or a return came or went.
lines_of_customers as (

    select *
    from {{ ref('fct_sales_lines') }}
    where
        is_merchandise
        and customer_id is not null
        and {{ only_lines_of_touched_returns(ref('fct_sales_lines')) }}

),

-- A line without a customer cannot be matched to a sale.
other_returns as (

    select *
    from {{ ref('fct_sales_lines') }}
    where
        is_merchandise
        and customer_id is null
        and line_type in ('return', 'cancellation')
        and {{ only_touched_dates('order_date') }}

),

returns_of_customers as (

    select *
    from lines_of_customers
    where line_type in ('return', 'cancellation')

),

return_lines as (

    select * from returns_of_customers
    union all
    select * from other_returns

),

returned_products as (

    -- distinct: a customer with two returns of one product must not double its sales
    select distinct
        customer_key,
        product_key
    from returns_of_customers

),

sales_of_returned_products as (

    select lines_of_customers.*
    from lines_of_customers
    inner join returned_products
        on
            lines_of_customers.customer_key = returned_products.customer_key
            and lines_of_customers.product_key = returned_products.product_key
    where lines_of_customers.line_type = 'sale'

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
    from returns_of_customers

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
