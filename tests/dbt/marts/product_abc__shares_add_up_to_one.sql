-- Prevents: shares of another total than that of their own source, which no check of single rows finds.
with

products as (

    select * from {{ ref('product_abc') }}

),

final as (

    select
        source_system,
        sum(share_of_net_sales) as share_of_all,
        max(cumulative_share) as last_cumulative_share
    from products
    group by source_system
    -- each share is rounded to six decimals, which may add half a unit of the last one; without sales no share
    having
        count(case when net_sales_amount_reporting > 0 then 1 end) > 0
        and (
            coalesce(abs(sum(share_of_net_sales) - 1), 1) > count(*) * 0.0000005
            or coalesce(max(cumulative_share), 0) <> 1
        )

)

select * from final
