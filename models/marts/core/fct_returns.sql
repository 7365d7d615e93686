-- Grain: one row per merchandise line of type return or cancellation.
-- Amounts may be summed only within one currency, except return_amount_reporting; days_to_return must not be summed.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_key',
    meta={
        'key_column': "case when 'unknown' in (customer_key, product_key) then sales_line_id else customer_key || ' ' || product_key end",
        'date_column': 'coalesce(sale_date, return_date)', 'last_date_column': 'return_date',
        'records_dates': 'return_date',
    },
) }}
{% set line_columns = [
    'sales_line_id', 'source_system', 'order_id', 'line_type', 'customer_key', 'product_key', 'currency', 'quantity', 'net_amount',
    'net_amount_reporting', 'order_date', 'ordered_at', '_file_id', '_row_number',
] %}
-- A build reads all lines of a customer and product of which a sale or a return came or went.
{% set is_due = only_lines_of_touched_returns(ref('fct_sales_lines')) %}

with

-- the lines are read twice, because PostgreSQL would write a CTE of all that is read twice to disk
sales_of_customers as (

    select {{ column_list(line_columns) }}
    from {{ ref('fct_sales_lines') }}
    where
        is_merchandise
        and customer_id is not null
        and product_key <> {{ unknown_member_key() }}
        and line_type = 'sale'
        and {{ is_due }}

),

returns_of_customers as (

    select {{ column_list(line_columns) }}
    from {{ ref('fct_sales_lines') }}
    where
        is_merchandise
        and customer_id is not null
        and product_key <> {{ unknown_member_key() }}
        and line_type in ('return', 'cancellation')
        and {{ is_due }}

),

-- A line without a customer or a product cannot be matched to a sale.
other_returns as (

    select {{ column_list(line_columns) }}
    from {{ ref('fct_sales_lines') }}
    where
        is_merchandise
        and (customer_id is null or product_key = {{ unknown_member_key() }})
        and line_type in ('return', 'cancellation')
        and {{ only_touched_dates('order_date') }}

),

returned_products as (

    -- distinct: a customer with two returns of one product must not double its sales
    select distinct
        customer_key,
        product_key
    from returns_of_customers

),

-- Sales and returns of one customer and product in one sequence, in order of time: each return belongs to the sale
-- before it. A join on customer and product would pair every return with every sale.
purchases_and_returns as (

    select
        sales_of_customers.*,
        1 as is_sale,
        -- where only the day is known, sales come first and returns last
        0 as is_end_of_day
    from sales_of_customers
    inner join returned_products
        on
            sales_of_customers.customer_key = returned_products.customer_key
            and sales_of_customers.product_key = returned_products.product_key

    union all

    select
        *,
        0 as is_sale,
        case when ordered_at is null then 1 else 0 end as is_end_of_day
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

-- Each number has one sale and the returns up to the next; 0 has no sale.
matched as (

    select
        *,
        max(case when is_sale = 1 then sales_line_id end) over (
            partition by customer_key, product_key, sale_number
        ) as sale_line_id,
        max(case when is_sale = 1 then order_date end) over (
            partition by customer_key, product_key, sale_number
        ) as sale_date
    from numbered

),

return_lines as (

    select
        {{ column_list(line_columns) }},
        sale_line_id,
        sale_date
    from matched
    where is_sale = 0

    union all

    select
        *,
        cast(null as {{ text_type() }}) as sale_line_id,
        cast(null as date) as sale_date
    from other_returns

),

final as (

    select
        sales_line_id,
        source_system,
        order_id,
        line_type,
        customer_key,
        product_key,
        sale_line_id,
        currency,
        cast(-quantity as {{ var('amount_type') }}) as quantity,
        cast(-net_amount as {{ var('amount_type') }}) as return_amount,
        cast(-net_amount_reporting as {{ var('sum_type') }}) as return_amount_reporting,
        {{ days_between('sale_date', 'order_date') }} as days_to_return,
        sale_line_id is not null as is_matched,
        order_date as return_date,
        sale_date,
        _file_id,
        _row_number
    from return_lines

)

select * from final
