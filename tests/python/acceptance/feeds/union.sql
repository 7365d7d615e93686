electronics as (

    select
        sales_line_id,
        cast('electronics' as {{ text_type() }}) as source_system,
        sales_line_id as order_id,
        cast('sale' as {{ text_type() }}) as line_type,
        cast(null as {{ wall_clock_type() }}) as ordered_at,
        order_date,
        customer_id,
        product_id as product_id,
        product_name as product_name,
        cast('online' as {{ text_type() }}) as channel,
        cast(null as {{ text_type() }}) as country,
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
    from {{ ref('stg_electronics__sales') }}
    where row_status = 'accepted'

),

cdnow as (

    select
        sales_line_id,
        cast('cdnow' as {{ text_type() }}) as source_system,
        sales_line_id as order_id,
        cast('sale' as {{ text_type() }}) as line_type,
        cast(null as {{ wall_clock_type() }}) as ordered_at,
        order_date,
        customer_id,
        cast('CD' as {{ text_type() }}) as product_id,
        cast('CD' as {{ text_type() }}) as product_name,
        cast('online' as {{ text_type() }}) as channel,
        cast(null as {{ text_type() }}) as country,
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
    from {{ ref('stg_cdnow__purchases') }}
    where row_status = 'accepted'

),
