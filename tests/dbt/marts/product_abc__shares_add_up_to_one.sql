-- Prevents: shares of another total than their own source's, in which every row looks sound by itself.
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
    -- a share is rounded to six decimals, so the sum may be off by half of the last for each; nothing sold, no share
    having
        count(case when net_sales_amount_reporting > 0 then 1 end) > 0
        and (
            coalesce(abs(sum(share_of_net_sales) - 1), 1) > count(*) * 0.0000005
            or coalesce(max(cumulative_share), 0) <> 1
        )

)

select * from final
