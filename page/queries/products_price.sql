-- Price and pieces of the 200 products with the largest net sales of the period.
select
    products.source_system,
    products.product_name,
    coalesce(products.product_category, 'unknown') as product_category,
    sum(sales.net_quantity) as net_quantity,
    sum(
        case
            when cast(%(currency)s as text) is null then sales.net_sales_amount_reporting else sales.net_sales_amount
        end
    ) as net_sales,
    round(
        sum(
            case
                when cast(%(currency)s as text) is null then sales.net_sales_amount_reporting
                else sales.net_sales_amount
            end
        ) / sum(sales.net_quantity), 4
    ) as average_price
from agg_product_sales_daily as sales
inner join dim_product as products on products.product_key = sales.product_key
where
    sales.order_date between %(first)s and %(last)s
    and (cast(%(sources)s as text []) is null or sales.source_system = any(cast(%(sources)s as text [])))
    and (cast(%(currency)s as text) is null or sales.currency = cast(%(currency)s as text))
group by products.product_key, products.source_system, products.product_name, products.product_category
having sum(sales.net_quantity) > 0
order by net_sales desc, products.product_key
limit 200
