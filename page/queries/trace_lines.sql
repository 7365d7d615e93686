-- The lines of the choice, the largest amounts first, at most 200, beside how many there are and their net sales.
-- product is an id or a part of a name; customers is 'cohort 2024-01', 'rfm 5 4' (recency, frequency) or 'tenth 1'.
with

tenths as (
    select
        customer_key,
        ntile(10) over (order by net_sales_amount_reporting desc, customer_key) as tenth
    from customer_lifetime_value
    where
        split_part(cast(%(customers)s as text), ' ', 1) = 'tenth'
        and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
),

-- no customer where none are asked for
chosen_customers as (
    select customer_key from dim_customer
    where concat_ws(' ', 'cohort', to_char(first_order_date, 'YYYY-MM')) = cast(%(customers)s as text)
    union all
    select customer_key from customer_rfm
    where concat_ws(' ', 'rfm', recency_score, frequency_score) = cast(%(customers)s as text)
    union all
    select customer_key from tenths
    where concat_ws(' ', 'tenth', tenth) = cast(%(customers)s as text)
),

lines as (
    select
        *,
        case when cast(%(currency)s as text) is null then net_amount_reporting else net_amount end as amount
    from fct_sales_lines
    where
        order_date between %(first)s and %(last)s
        and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
        and (cast(%(countries)s as text []) is null or coalesce(country, 'unknown') = any(cast(%(countries)s as text [])))
        and (cast(%(currency)s as text) is null or currency = cast(%(currency)s as text))
        and (cast(%(order_id)s as text) is null or order_id = cast(%(order_id)s as text))
        and (cast(%(file)s as text) is null or cast(_file_id as text) = cast(%(file)s as text))
        and (cast(%(store)s as text) is null or coalesce(store_id, 'unknown') = cast(%(store)s as text))
        and (
            cast(%(line_type)s as text) is null
            or line_type = any(string_to_array(replace(cast(%(line_type)s as text), ' ', ''), ','))
        )
        and (
            cast(%(product)s as text) is null
            or product_id = cast(%(product)s as text)
            -- an id is no part of the name of another product
            or not exists (select 1 from dim_product where product_id = cast(%(product)s as text))
            and strpos(lower(product_name), lower(cast(%(product)s as text))) > 0
        )
        and (
            cast(%(category)s as text) is null
            or product_key in (
                select product_key from dim_product
                where coalesce(product_category, 'unknown') = cast(%(category)s as text)
            )
        )
        and (
            cast(%(customers)s as text) is null
            or customer_key in (select customer_key from chosen_customers)
        )
)

select
    order_date,
    source_system,
    order_id,
    product_id,
    product_name,
    line_type,
    country,
    quantity,
    amount,
    currency,
    _file_id as file_id,
    _row_number as row_number,
    count(*) over () as all_lines,
    coalesce(sum(amount) filter (where is_merchandise) over (), 0) as all_net_sales
from lines
order by abs(amount) desc nulls last, sales_line_id
limit 200
