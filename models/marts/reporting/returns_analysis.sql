-- Grain: one row per month_start_date, source_system, product_key and currency with a sale or a return of merchandise.
-- Rates, shares and average_days_to_return must not be summed; amounts may be summed only within one currency.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'month_start_date', 'period': 'month'},
) }}
with

returns as (

    select *
    from {{ ref('fct_returns') }}
    where {{ only_touched_dates('return_date', 'month') }}

),

monthly_sales as (

    select *
    from {{ ref('agg_product_sales_monthly') }}
    where {{ only_touched_dates('month_start_date', 'month', month_end('month_start_date')) }}

),

calendar as (

    select * from {{ ref('dim_date') }}

),

monthly_returns as (

    select
        calendar.month_start_date,
        returns.source_system,
        returns.product_key,
        returns.currency,
        count(*) as return_count,
        sum(case when returns.is_matched then 1 else 0 end) as matched_count,
        sum(returns.quantity) as returned_quantity,
        sum(returns.return_amount) as return_amount,
        sum(returns.return_amount_reporting) as return_amount_reporting,
        sum(returns.days_to_return) as days_to_return,
        count(returns.days_to_return) as dated_count
    from returns
    inner join calendar
        on returns.return_date = calendar.date_day
    group by calendar.month_start_date, returns.source_system, returns.product_key, returns.currency

),

-- Every return is a line of merchandise, so the sales have a row for each month and product with a return. The returns
-- have no row for most of them.
counted as (

    select
        monthly_sales.month_start_date,
        monthly_sales.source_system,
        monthly_sales.product_key,
        monthly_sales.currency,
        monthly_sales.sold_quantity,
        monthly_sales.sold_amount,
        coalesce(monthly_returns.return_count, 0) as return_count,
        coalesce(monthly_returns.matched_count, 0) as matched_count,
        cast(coalesce(monthly_returns.returned_quantity, 0) as {{ var('sum_type') }}) as returned_quantity,
        cast(coalesce(monthly_returns.return_amount, 0) as {{ var('sum_type') }}) as return_amount,
        cast(coalesce(monthly_returns.return_amount_reporting, 0) as {{ var('sum_type') }}) as return_amount_reporting,
        monthly_returns.days_to_return,
        monthly_returns.dated_count
    from monthly_sales
    left join monthly_returns
        on
            monthly_sales.month_start_date = monthly_returns.month_start_date
            and monthly_sales.source_system = monthly_returns.source_system
            and monthly_sales.product_key = monthly_returns.product_key
            and monthly_sales.currency = monthly_returns.currency

),

final as (

    select
        month_start_date,
        source_system,
        product_key,
        currency,
        sold_quantity,
        sold_amount,
        return_count,
        matched_count,
        returned_quantity,
        return_amount,
        return_amount_reporting,
        {{ div('returned_quantity', 'sold_quantity', *decimal_size('ratio_type')) }} as returned_quantity_rate,
        {{ div('return_amount', 'sold_amount', *decimal_size('ratio_type')) }} as return_amount_rate,
        {{ div('matched_count', 'return_count', 9, 4) }} as matched_share,
        {{ div('days_to_return', 'dated_count', 9, 2) }} as average_days_to_return
    from counted

)

select * from final
