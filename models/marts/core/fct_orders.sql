-- Grain: one row per source_system, order_id and currency that has a sales line.
-- product_count and sold_product_count must not be summed: a product of two orders counts in both. Amounts may be
-- summed only within one currency, except those in the reporting currency. cost_amount leaves out lines without a known
-- cost. An order in two currencies has two rows; is_counted is true in one of them. Lines without an order are in none.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_key',
    meta={
        'key_column': "source_system || ':' || order_id", 'date_column': 'order_date', 'last_date_column': 'last_order_date', 'records_dates': 'order_date',
        'member_column': 'customer_key',
    },
    indexes=[{'columns': ['order_date', 'last_order_date'], 'type': 'brin'}],
) }}
with

lines as (

    select *
    from {{ ref('fct_sales_lines') }}
    where
        order_id is not null
        and {{ only_touched_keys(ref('fct_sales_lines'), "source_system || ':' || order_id", 'order_date') }}

),

-- Lines of one order seldom disagree about store, customer, channel or country. Where they do, the alphabetically first
-- value counts. This needs no sort of all lines; the first value by time would.
orders as (

    select
        source_system,
        order_id,
        min(store_id) as store_id,
        min(customer_id) as customer_id,
        min(channel) as channel,
        min(country) as country,
        currency,
        min(order_date) as order_date,
        min(ordered_at) as ordered_at,
        max(order_date) as last_order_date,
        count(*) as line_count,
        count(case when is_merchandise then 1 end) as merchandise_line_count,
        count(case when is_merchandise and line_type = 'sale' then 1 end) as sale_line_count,
        -- A product on two lines of the order is one product. One form for both counts: lines are sorted once.
        count(distinct product_key) filter (where is_merchandise) as product_count,
        count(distinct product_key) filter (where is_merchandise and line_type = 'sale') as sold_product_count,
        sum(case when is_merchandise then quantity else 0 end) as quantity,
        sum(case when is_merchandise and line_type = 'sale' then gross_amount else 0 end) as gross_sales_amount,
        sum(case when is_merchandise and line_type = 'sale' then discount_amount else 0 end) as discount_amount,
        sum(case when is_merchandise then net_amount else 0 end) as net_sales_amount,
        sum(case when is_merchandise and line_type = 'return' then net_amount else 0 end) as return_amount,
        sum(case when is_merchandise and line_type = 'cancellation' then net_amount else 0 end) as cancellation_amount,
        -- including charges that were cancelled or paid back
        sum(net_amount) filter (
            where not is_merchandise and line_type not in ('adjustment', 'tip', 'deposit', 'voucher_sale')
        ) as fee_amount,
        sum(net_amount) filter (where line_type = 'adjustment') as adjustment_amount,
        sum(net_amount) filter (where line_type = 'tip') as tip_amount,
        sum(net_amount) filter (where line_type = 'deposit') as deposit_amount,
        sum(net_amount) filter (where line_type = 'voucher_sale') as voucher_sale_amount,
        sum(net_amount) as net_amount,
        sum(cost_amount) as cost_amount,
        sum(case when is_merchandise then net_amount_reporting else 0 end) as net_sales_amount_reporting,
        sum(net_amount_reporting) as net_amount_reporting
    from lines
    -- what differs most comes first: lines are sorted by these columns, which takes half of the time then
    group by order_id, source_system, currency

),

final as (

    select
        {{ order_key() }} as order_key,
        source_system,
        order_id,
        {{ member_key('source_system', 'store_id') }} as store_key,
        store_id,
        {{ member_key('source_system', 'customer_id') }} as customer_key,
        customer_id,
        channel,
        country,
        currency,
        line_count,
        merchandise_line_count,
        product_count,
        sold_product_count,
        cast(quantity as {{ var('sum_type') }}) as quantity,
        cast(gross_sales_amount as {{ var('sum_type') }}) as gross_sales_amount,
        cast(discount_amount as {{ var('sum_type') }}) as discount_amount,
        cast(return_amount as {{ var('sum_type') }}) as return_amount,
        cast(cancellation_amount as {{ var('sum_type') }}) as cancellation_amount,
        cast(net_sales_amount as {{ var('sum_type') }}) as net_sales_amount,
        cast(coalesce(fee_amount, 0) as {{ var('sum_type') }}) as fee_amount,
        cast(coalesce(adjustment_amount, 0) as {{ var('sum_type') }}) as adjustment_amount,
        cast(coalesce(tip_amount, 0) as {{ var('sum_type') }}) as tip_amount,
        cast(coalesce(deposit_amount, 0) as {{ var('sum_type') }}) as deposit_amount,
        cast(coalesce(voucher_sale_amount, 0) as {{ var('sum_type') }}) as voucher_sale_amount,
        cast(net_amount as {{ var('sum_type') }}) as net_amount,
        cast(cost_amount as {{ var('sum_type') }}) as cost_amount,
        cast(net_sales_amount_reporting as {{ var('sum_type') }}) as net_sales_amount_reporting,
        cast(net_amount_reporting as {{ var('sum_type') }}) as net_amount_reporting,
        sale_line_count > 0 as is_sale,
        sale_line_count > 0 and row_number() over (
            partition by order_id, source_system, customer_id, sale_line_count > 0
            order by order_date asc nulls last, currency asc nulls last
        ) = 1 as is_counted,
        order_date,
        last_order_date,
        ordered_at
    from orders

)

-- in the order of days, so that the block range index finds a day
select * from final
order by order_date asc nulls last
