-- Grain: one row per source_system, cohort_month_start_date and months_since, up to the source's last month, no gaps.
-- cohort_customer_count and retention_share must not be summed; active_customer_count must not be summed over months.
{{ config(
    materialized='table_when_new',
) }}
with

customer_months as (

    select *
    from {{ ref('fct_customer_months') }}

),

calendar as (

    select * from {{ ref('dim_date') }}

),

months as (

    select
        month_start_date,
        month_end_date,
        12 * year_number + month_number as month_index
    from calendar
    group by month_start_date, month_end_date, year_number, month_number

),

sources as (

    select
        source_system,
        max(last_order_date) as as_of_date
    from {{ ref('fct_orders_daily') }}
    group by source_system

),

purchases as (

    select *
    from {{ ref('fct_customer_purchases') }}
    where first_order_date is not null

),

customers as (

    select
        purchases.source_system,
        purchases.customer_key,
        calendar.month_start_date as cohort_month_start_date
    from purchases
    -- always matches: a line dated outside the calendar is quarantined
    inner join calendar
        on purchases.first_order_date = calendar.date_day

),

cohorts as (

    select
        source_system,
        cohort_month_start_date,
        count(*) as cohort_customer_count
    from customers
    group by source_system, cohort_month_start_date

),

activity as (

    select
        customers.source_system,
        customers.cohort_month_start_date,
        customer_months.month_start_date,
        count(case when customer_months.is_active then 1 end) as active_customer_count,
        sum(customer_months.net_sales_amount_reporting) as net_sales_amount_reporting
    from customers
    inner join customer_months
        on customers.customer_key = customer_months.customer_key
    group by customers.source_system, customers.cohort_month_start_date, customer_months.month_start_date

),

final as (

    select
        cohorts.source_system,
        cohorts.cohort_month_start_date,
        months.month_index - cohort_months.month_index as months_since,
        months.month_start_date,
        cohorts.cohort_customer_count,
        -- a month in which no customer of the cohort bought has no row of its own
        coalesce(activity.active_customer_count, 0) as active_customer_count,
        {{ div('coalesce(activity.active_customer_count, 0)', 'cohorts.cohort_customer_count', 9, 6) }}
            as retention_share,
        cast(coalesce(activity.net_sales_amount_reporting, 0) as {{ var('sum_type') }}) as net_sales_amount_reporting,
        months.month_end_date <= sources.as_of_date as is_complete
    from cohorts
    inner join sources
        on cohorts.source_system = sources.source_system
    inner join months as cohort_months
        on cohorts.cohort_month_start_date = cohort_months.month_start_date
    inner join months
        on months.month_start_date between cohorts.cohort_month_start_date and sources.as_of_date
    left join activity
        on
            cohorts.source_system = activity.source_system
            and cohorts.cohort_month_start_date = activity.cohort_month_start_date
            and months.month_start_date = activity.month_start_date

)

select * from final
