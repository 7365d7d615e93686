-- The lines of the period, the largest amounts first, at most 200; of one order, or of products whose name has a text, if given.
select
    order_date,
    source_system,
    order_id,
    product_id,
    product_name,
    line_type,
    country,
    quantity,
    case when cast(%(currency)s as text) is null then net_amount_reporting else net_amount end as amount,
    currency,
    _file_id as file_id,
    _row_number as row_number
from fct_sales_lines
where
    order_date between %(first)s and %(last)s
    and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
    and (cast(%(countries)s as text []) is null or coalesce(country, 'unknown') = any(cast(%(countries)s as text [])))
    and (cast(%(currency)s as text) is null or currency = cast(%(currency)s as text))
    and (cast(%(order_id)s as text) is null or order_id = cast(%(order_id)s as text))
    and (
        cast(%(product)s as text) is null
        or product_id = cast(%(product)s as text)
        or strpos(lower(product_name), lower(cast(%(product)s as text))) > 0
    )
order by abs(net_amount_reporting) desc nulls last, sales_line_id
limit 200
