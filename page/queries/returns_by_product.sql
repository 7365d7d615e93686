-- The twenty products with the largest returns of the period, beside their sales of the same period.
with

returned as (
    select
        product_key,
        count(*) as return_count,
        sum(quantity) as returned_quantity,
        sum(case when cast(%(currency)s as text) is null then return_amount_reporting else return_amount end) as amount
    from fct_returns
    where
        return_date between %(first)s and %(last)s
        and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
        and (cast(%(currency)s as text) is null or currency = cast(%(currency)s as text))
    group by product_key
),

largest as (
    select * from returned
    order by amount desc, product_key
    limit 20
),

sold as (
    select
        sales.product_key,
        sum(sales.quantity) as sold_quantity
    from fct_sales_lines as sales
    inner join largest on largest.product_key = sales.product_key
    where
        sales.is_merchandise
        and sales.line_type = 'sale'
        and sales.order_date between %(first)s and %(last)s
        and (cast(%(currency)s as text) is null or sales.currency = cast(%(currency)s as text))
    group by sales.product_key
)

select
    products.source_system,
    products.product_id,
    products.product_name,
    largest.amount,
    largest.return_count,
    largest.returned_quantity,
    sold.sold_quantity,
    round(largest.returned_quantity / nullif(sold.sold_quantity, 0), 4) as returned_quantity_rate
from largest
inner join dim_product as products on products.product_key = largest.product_key
left join sold on sold.product_key = largest.product_key
order by largest.amount desc, products.product_key
