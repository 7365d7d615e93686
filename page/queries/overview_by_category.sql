-- Net sales of the period by category of the products.
with

per_product as (
    select
        sales.product_key,
        sum(case when cast(%(currency)s as text) is null then sales.net_amount_reporting else sales.net_amount end) as net_sales,
        sum(sales.quantity) filter (where sales.line_type = 'sale') as sold_quantity
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
)

select
    coalesce(products.product_category, 'unknown') as product_category,
    sum(per_product.net_sales) as net_sales,
    sum(per_product.sold_quantity) as sold_quantity
from per_product
inner join dim_product as products on products.product_key = per_product.product_key
group by 1
order by net_sales desc, product_category
