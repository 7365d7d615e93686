-- Grain: one row per accepted sales line of any source; all sources in one shape.
-- unit_price must not be summed; amounts only within one currency.
with

online_retail as (

    select
        sales_line_id,
        cast('online_retail' as {{ text_type() }}) as source_system,
        order_id,
        line_type,
        ordered_at,
        order_date,
        customer_id,
        product_id,
        product_name,
        cast('online' as {{ text_type() }}) as channel,
        country,
        cast(quantity as numeric(18, 4)) as quantity,
        unit_price,
        net_amount as gross_amount,
        -- the files contain the price paid; the discount is not known separately
        cast(0 as numeric(18, 4)) as discount_amount,
        net_amount,
        cast(null as numeric(18, 4)) as cost_amount,
        currency,
        is_merchandise,
        _file_id,
        _row_number
    from {{ ref('int_sales__online_retail_lines_typed') }}

),

store_orders as (

    select
        sales_line_id,
        cast('store_orders' as {{ text_type() }}) as source_system,
        order_id,
        case when quantity < 0 then 'return' else 'sale' end as line_type,
        ordered_at,
        order_date,
        -- the tills do not record customers
        cast(null as {{ text_type() }}) as customer_id,
        product_id,
        product_name,
        cast('store' as {{ text_type() }}) as channel,
        -- not delivered; every purchase address is in the United States
        cast('United States' as {{ text_type() }}) as country,
        cast(quantity as numeric(18, 4)) as quantity,
        unit_price,
        net_amount as gross_amount,
        cast(0 as numeric(18, 4)) as discount_amount,
        net_amount,
        cast(null as numeric(18, 4)) as cost_amount,
        currency,
        true as is_merchandise,
        _file_id,
        _row_number
    from {{ ref('stg_store_orders__order_lines_typed') }}
    where row_status = 'accepted'

),

web_shop_staged as (

    select * from {{ ref('stg_web_shop__order_events_typed') }}

),

web_shop as (

    select
        lines.sales_line_id,
        cast('web_shop' as {{ text_type() }}) as source_system,
        lines.order_id,
        case when lines.quantity < 0 then 'return' else 'sale' end as line_type,
        lines.ordered_at,
        lines.order_date,
        lines.customer_id,
        lines.product_id,
        lines.product_name,
        lines.channel,
        lines.country,
        cast(lines.quantity as numeric(18, 4)) as quantity,
        lines.unit_price,
        lines.gross_amount,
        lines.discount_amount,
        lines.net_amount,
        cast(null as numeric(18, 4)) as cost_amount,
        lines.currency,
        true as is_merchandise,
        lines._file_id,
        lines._row_number
    from web_shop_staged as lines
    -- each event has the whole order
    where lines.row_status = 'accepted' and {{ event_decision('lines') }} = 'counted'

),

superstore as (

    select
        sales_line_id,
        cast('superstore' as {{ text_type() }}) as source_system,
        order_id,
        case when quantity < 0 then 'return' else 'sale' end as line_type,
        -- the source delivers only the day
        cast(null as {{ wall_clock_type() }}) as ordered_at,
        order_date,
        customer_id,
        product_id,
        product_name,
        cast('unknown' as {{ text_type() }}) as channel,
        country,
        cast(quantity as numeric(18, 4)) as quantity,
        unit_price,
        gross_amount,
        discount_amount,
        net_amount,
        cost_amount,
        currency,
        true as is_merchandise,
        _file_id,
        _row_number
    from {{ ref('stg_superstore__order_lines_typed') }}
    where row_status = 'accepted'

),

final as (

    select * from online_retail
    union all
    select * from store_orders
    union all
    select * from web_shop
    union all
    select * from superstore

)

select * from final
