-- Price and pieces of the 200 products with the largest net sales of the period.
with

per_product as (
    select
        sales.product_key,
        sum(sales.quantity) as net_quantity,
        sum(case when cast(%(currency)s as text) is null then sales.net_amount_reporting else sales.net_amount end) as net_sales
    from fct_sales_lines as sales
    where
        sales.is_merchandise
        and sales.order_date between %(first)s and %(last)s
        and (cast(%(sources)s as text []) is null or sales.source_system = any(cast(%(sources)s as text [])))
        and (
            cast(%(countries)s as text []) is null
            or coalesce(sales.country, 'unknown') = any(cast(%(countries)s as text []))
        )
        and (cast(%(currency)s as text) is null or sales.currency = cast(%(currency)s as text))
    group by sales.product_key
    having sum(sales.quantity) > 0
    order by net_sales desc, sales.product_key
    limit 200
)

select
    products.source_system,
    products.product_id,
    products.product_name,
    coalesce(products.product_category, 'unknown') as product_category,
    per_product.net_quantity,
    per_product.net_sales,
    round(per_product.net_sales / per_product.net_quantity, 4) as average_price
from per_product
inner join dim_product as products on products.product_key = per_product.product_key
order by per_product.net_sales desc, per_product.product_key
