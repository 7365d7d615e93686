-- Grain: one row per period_kind, period, store_key and currency with a sale in the period or in the one a year before.
-- Each kind of period has all sales: amounts must not be summed over kinds, and only within one currency, except those
-- that end in _reporting. Like-for-like is the sum of the rows where is_comparable.
{{ config(
    materialized='table_when_new',
) }}
with

store_days as (

    select * from {{ ref('fct_store_sales_daily') }}

),

all_days as (

    select
        order_date,
        source_system,
        currency,
        sum(line_count) as line_count,
        sum(net_sales_amount) as net_sales_amount,
        sum(net_sales_amount_reporting) as net_sales_amount_reporting
    from {{ ref('agg_sales_daily') }}
    group by order_date, source_system, currency

),

days_of_all_stores as (

    select
        order_date,
        source_system,
        currency,
        sum(line_count) as line_count,
        sum(net_sales_amount) as net_sales_amount,
        sum(net_sales_amount_reporting) as net_sales_amount_reporting
    from store_days
    group by order_date, source_system, currency

),

calendar as (

    select * from {{ ref('dim_date') }}

),

stores as (

    select * from {{ ref('dim_store') }}

),

-- also those of versions that are no longer current; the last version that has one knows its end
refurbishments_latest_first as (

    select
        *,
        row_number() over (
            partition by store_key, refurbished_from_date order by version_number desc nulls last
        ) as recency
    from {{ ref('dim_store_history') }}
    where refurbished_from_date is not null

),

refurbishments as (

    select
        store_key,
        refurbished_from_date,
        coalesce(refurbished_to_date, valid_to_date) as refurbished_to_date
    from refurbishments_latest_first
    -- what a later list moved before it began did not happen
    where recency = 1 and (valid_to_date is null or refurbished_from_date < valid_to_date)

),

sources as (

    select
        source_system,
        min(order_date) as first_date,
        max(order_date) as as_of_date
    from all_days
    group by source_system

),

-- What no store sold is the rest of all sales, so that the totals are those of all sales.
days as (

    select
        order_date,
        source_system,
        store_key,
        currency,
        net_sales_amount,
        net_sales_amount_reporting
    from store_days

    union all

    select
        all_days.order_date,
        all_days.source_system,
        {{ unknown_member_key() }} as store_key,
        all_days.currency,
        all_days.net_sales_amount - coalesce(days_of_all_stores.net_sales_amount, 0) as net_sales_amount,
        all_days.net_sales_amount_reporting
        - coalesce(days_of_all_stores.net_sales_amount_reporting, 0) as net_sales_amount_reporting
    from all_days
    -- no match on a day on which no store sold anything
    left join days_of_all_stores
        on
            all_days.order_date = days_of_all_stores.order_date
            and all_days.source_system = days_of_all_stores.source_system
            and all_days.currency = days_of_all_stores.currency
    where all_days.line_count > coalesce(days_of_all_stores.line_count, 0)

),

period_days as (

    select
        'month' as period_kind,
        month_start_date as period_start_date,
        month_end_date as period_end_date,
        date_day
    from calendar

    union all

    select
        'retail_week' as period_kind,
        retail_week_start_date as period_start_date,
        retail_week_start_date + 6 as period_end_date,
        date_day
    from calendar

    union all

    select
        'retail_month' as period_kind,
        min(date_day) over (partition by retail_year_number, retail_month_number) as period_start_date,
        max(date_day) over (partition by retail_year_number, retail_month_number) as period_end_date,
        date_day
    from calendar

),

-- The days with which a period is compared: the same month a year before, and of retail periods the days 364 days
-- before, so a period with a 53rd week has as many days on both sides.
last_year_days as (

    select
        'month' as period_kind,
        next_years.month_start_date as period_start_date,
        next_years.month_end_date as period_end_date,
        calendar.date_day
    from calendar
    inner join calendar as next_years
        on next_years.date_day = make_date(calendar.year_number + 1, calendar.month_number, 1)

    union all

    select
        period_days.period_kind,
        period_days.period_start_date,
        period_days.period_end_date,
        calendar.comparable_date_last_year as date_day
    from period_days
    inner join calendar
        on period_days.date_day = calendar.date_day
    where period_days.period_kind <> 'month'

),

last_years as (

    select
        period_kind,
        period_start_date,
        min(date_day) as last_year_start_date,
        max(date_day) as last_year_end_date
    from last_year_days
    group by period_kind, period_start_date

),

sides as (

    select
        period_days.period_kind,
        period_days.period_start_date,
        period_days.period_end_date,
        days.source_system,
        days.store_key,
        days.currency,
        days.net_sales_amount,
        days.net_sales_amount_reporting,
        0 as last_year_amount,
        0 as last_year_amount_reporting
    from days
    inner join period_days
        on days.order_date = period_days.date_day

    union all

    select
        last_year_days.period_kind,
        last_year_days.period_start_date,
        last_year_days.period_end_date,
        days.source_system,
        days.store_key,
        days.currency,
        0 as net_sales_amount,
        0 as net_sales_amount_reporting,
        days.net_sales_amount as last_year_amount,
        days.net_sales_amount_reporting as last_year_amount_reporting
    from days
    inner join last_year_days
        on days.order_date = last_year_days.date_day

),

compared as (

    select
        sides.period_kind,
        sides.period_start_date,
        sides.period_end_date,
        sides.source_system,
        sides.store_key,
        sides.currency,
        sum(sides.net_sales_amount) as net_sales_amount,
        sum(sides.net_sales_amount_reporting) as net_sales_amount_reporting,
        sum(sides.last_year_amount) as last_year_amount,
        sum(sides.last_year_amount_reporting) as last_year_amount_reporting,
        sources.first_date,
        sources.as_of_date
    from sides
    inner join sources
        on sides.source_system = sources.source_system
    -- a period that has not begun has no sales
    where sides.period_start_date <= sources.as_of_date
    group by
        sides.period_kind, sides.period_start_date, sides.period_end_date, sides.source_system, sides.store_key,
        sides.currency, sources.first_date, sources.as_of_date

),

shut_stores as (

    -- distinct: two refurbishments in one period must not double its store
    select distinct
        last_years.period_kind,
        last_years.period_start_date,
        refurbishments.store_key
    from compared
    inner join last_years
        on
            compared.period_kind = last_years.period_kind
            and compared.period_start_date = last_years.period_start_date
    inner join refurbishments
        on
            compared.store_key = refurbishments.store_key
            and (
                -- without an end it is still shut
                compared.period_end_date >= refurbishments.refurbished_from_date
                and coalesce(refurbishments.refurbished_to_date, compared.period_end_date) >= compared.period_start_date
                or last_years.last_year_end_date >= refurbishments.refurbished_from_date
                and coalesce(refurbishments.refurbished_to_date, last_years.last_year_end_date)
                >= last_years.last_year_start_date
            )

),

judged as (

    select
        compared.*,
        last_years.last_year_start_date,
        last_years.last_year_end_date,
        case
            when compared.store_key = {{ unknown_member_key() }} then 'no_store'
            when compared.period_end_date > compared.as_of_date then 'not_complete'
            when last_years.last_year_start_date is null or compared.first_date > last_years.last_year_start_date
                then 'no_last_year'
            when coalesce(stores.opened_date, stores.first_sale_date) > last_years.last_year_start_date then 'opened'
            when
                coalesce(stores.opened_date, stores.first_sale_date)
                > {{ later('compared.period_start_date', '-' ~ var('comparable_after_months'), 'month') }}
                then 'too_new'
            when stores.closed_date < compared.period_end_date then 'closed'
            when shut_stores.store_key is not null then 'refurbished'
        end as exclusion_reason
    from compared
    -- no match where the calendar begins less than a year before
    left join last_years
        on compared.period_kind = last_years.period_kind and compared.period_start_date = last_years.period_start_date
    -- always matches: a store has a row as soon as it has a line
    left join stores
        on compared.store_key = stores.store_key
    -- most stores are open
    left join shut_stores
        on
            compared.period_kind = shut_stores.period_kind
            and compared.period_start_date = shut_stores.period_start_date
            and compared.store_key = shut_stores.store_key

),

final as (

    select
        period_kind,
        period_start_date,
        period_end_date,
        source_system,
        store_key,
        currency,
        cast(net_sales_amount as {{ var('sum_type') }}) as net_sales_amount,
        cast(last_year_amount as {{ var('sum_type') }}) as last_year_amount,
        case
            when exclusion_reason is null then {{ relative_change('net_sales_amount', 'last_year_amount') }}
        end as last_year_change,
        cast(net_sales_amount_reporting as {{ var('sum_type') }}) as net_sales_amount_reporting,
        cast(last_year_amount_reporting as {{ var('sum_type') }}) as last_year_amount_reporting,
        exclusion_reason is null as is_comparable,
        exclusion_reason,
        last_year_start_date,
        last_year_end_date
    from judged

)

select * from final
