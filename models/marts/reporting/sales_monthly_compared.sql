-- Grain: one row per month, source_system and currency, from the first to the last month with a sales line, no gaps.
-- Changes and averages must not be summed, amounts to date not over months. Amounts may be summed only within one
-- currency, those that end in _reporting also over sources.
{{ config(
    materialized='table_when_new',
) }}
with

days as (

    select *
    from {{ ref('sales_daily_compared') }}

),

calendar as (

    select * from {{ ref('dim_date') }}

),

months as (

    select
        calendar.month_start_date,
        days.source_system,
        days.currency,
        cast(sum(days.net_sales_amount) as {{ var('sum_type') }}) as net_sales_amount,
        cast(sum(days.net_sales_amount_reporting) as {{ var('sum_type') }}) as net_sales_amount_reporting,
        count(*) as day_count,
        min(days.date_day) = calendar.month_start_date
        and max(days.date_day) = calendar.month_end_date as is_complete,
        min(days.date_day) as first_date,
        max(days.date_day) as last_date
    from days
    inner join calendar
        on days.date_day = calendar.date_day
    group by calendar.month_start_date, calendar.month_end_date, days.source_system, days.currency

),

-- A whole month is compared with the whole month, including 29 February; an incomplete month with the same days.
spans as (

    select
        months.*,
        lag(months.net_sales_amount) over months_in_turn as previous_month_amount,
        lag(months.net_sales_amount_reporting) over months_in_turn as previous_month_amount_reporting,
        lag(months.is_complete) over months_in_turn as is_previous_complete,
        first_days.same_date_last_year as same_first_date,
        case
            when months.last_date = last_days.month_end_date then last_year.month_end_date
            else last_days.same_date_last_year
        end as same_last_date,
        first_days.comparable_date_last_year as comparable_first_date,
        last_days.comparable_date_last_year as comparable_last_date
    from months
    inner join calendar as first_days
        on months.first_date = first_days.date_day
    inner join calendar as last_days
        on months.last_date = last_days.date_day
    -- no match where the calendar begins less than a year before
    left join calendar as last_year
        on last_days.same_date_last_year = last_year.date_day
    window months_in_turn as (
        partition by months.source_system, months.currency order by months.month_start_date asc nulls last
    )

),

compared as (

    {{ spans_against_last_year('spans', 'days') }}

),

final as (

    select
        month_start_date,
        source_system,
        currency,
        net_sales_amount,
        previous_month_amount,
        -- a part of a month is not compared with a whole month
        case
            when is_complete and is_previous_complete
                then {{ relative_change('net_sales_amount', 'previous_month_amount') }}
        end as previous_month_change,
        cast(same_dates_last_year_amount as {{ var('sum_type') }}) as same_dates_last_year_amount,
        {{ relative_change('net_sales_amount', 'same_dates_last_year_amount') }} as same_dates_last_year_change,
        cast(comparable_dates_last_year_amount as {{ var('sum_type') }}) as comparable_dates_last_year_amount,
        {{ relative_change('net_sales_amount', 'comparable_dates_last_year_amount') }}
            as comparable_dates_last_year_change,
        quarter_to_date_amount,
        year_to_date_amount,
        average_amount_28_days,
        net_sales_amount_reporting,
        previous_month_amount_reporting,
        cast(same_dates_last_year_amount_reporting as {{ var('sum_type') }}) as same_dates_last_year_amount_reporting,
        cast(comparable_dates_last_year_amount_reporting as {{ var('sum_type') }})
            as comparable_dates_last_year_amount_reporting,
        day_count,
        is_complete,
        first_date,
        last_date
    from compared

)

select * from final
