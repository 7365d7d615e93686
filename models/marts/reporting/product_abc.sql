-- Grain: one row per product with a line of merchandise; all currencies of its source as reporting amounts.
-- cumulative_share must not be summed.
{{ config(
    materialized='table_when_new',
) }}
with

monthly_sales as (

    -- what is not known to be one product has no class
    select *
    from {{ ref('agg_product_sales_monthly') }}
    where product_key <> {{ unknown_member_key() }}

),

products as (

    select * from {{ ref('dim_product') }}

),

sales_per_product as (

    select
        source_system,
        product_key,
        cast(sum(net_sales_amount_reporting) as {{ var('sum_type') }}) as net_sales_amount_reporting
    from monthly_sales
    group by source_system, product_key

),

-- negative net sales would push the shares of the other products above 1, so such a product has no share
ranked as (

    select
        *,
        case when net_sales_amount_reporting > 0 then net_sales_amount_reporting else 0 end as counted_amount,
        row_number() over (
            partition by source_system order by net_sales_amount_reporting desc nulls last, product_key asc nulls last
        ) as sales_rank
    from sales_per_product

),

accumulated as (

    select
        *,
        sum(counted_amount) over (partition by source_system) as total_amount,
        sum(counted_amount) over (
            partition by source_system order by sales_rank asc nulls last
            rows between unbounded preceding and current row
        ) as cumulative_amount
    from ranked

),

final as (

    select
        accumulated.product_key,
        accumulated.source_system,
        products.product_id,
        products.product_name,
        -- The class depends on the amount before the product: the product that crosses a limit still belongs to the
        -- class, and the best product of a source is in A. Amounts are compared, not rounded shares.
        case
            when accumulated.net_sales_amount_reporting <= 0 then 'C'
            when
                accumulated.cumulative_amount - accumulated.counted_amount
                < accumulated.total_amount * {{ var('abc_share_of_a') }}
                then 'A'
            when
                accumulated.cumulative_amount - accumulated.counted_amount
                < accumulated.total_amount * {{ var('abc_share_of_a_and_b') }}
                then 'B'
            else 'C'
        end as abc_class,
        accumulated.sales_rank,
        accumulated.net_sales_amount_reporting,
        case
            when accumulated.net_sales_amount_reporting > 0
                then {{ div('accumulated.counted_amount', 'accumulated.total_amount', 9, 6) }}
        end as share_of_net_sales,
        case
            when accumulated.net_sales_amount_reporting > 0
                then {{ div('accumulated.cumulative_amount', 'accumulated.total_amount', 9, 6) }}
        end as cumulative_share
    from accumulated
    -- always matches: both are built from the products of the facts
    inner join products
        on accumulated.product_key = products.product_key

)

select * from final
