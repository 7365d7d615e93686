-- Net sales of the period by category of the products; products are not known by country.
select
    coalesce(products.product_category, 'unknown') as product_category,
    sum(
        case
            when cast(%(currency)s as text) is null then sales.net_sales_amount_reporting else sales.net_sales_amount
        end
    ) as net_sales,
    sum(sales.sold_quantity) as sold_quantity
from agg_product_sales_daily as sales
inner join dim_product as products on products.product_key = sales.product_key
where
    sales.order_date between %(first)s and %(last)s
    and (cast(%(sources)s as text []) is null or sales.source_system = any(cast(%(sources)s as text [])))
    and (cast(%(currency)s as text) is null or sales.currency = cast(%(currency)s as text))
group by 1
order by net_sales desc, product_category
