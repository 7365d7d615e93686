-- Grain: one row per ISO week, source_system and currency, from the first to the last week with a sales line, no gaps.
-- Changes and averages must not be summed, amounts to date not over weeks. Amounts may be summed only within one
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

weeks as (

    select
        calendar.iso_week_start_date,
        days.source_system,
        days.currency,
        cast(sum(days.net_sales_amount) as {{ var('sum_type') }}) as net_sales_amount,
        cast(sum(days.net_sales_amount_reporting) as {{ var('sum_type') }}) as net_sales_amount_reporting,
        count(*) as day_count,
        count(*) = 7 as is_complete,
        min(days.date_day) as first_date,
        max(days.date_day) as last_date
    from days
    inner join calendar
        on days.date_day = calendar.date_day
    group by calendar.iso_week_start_date, days.source_system, days.currency

),

-- the same days a year before: an incomplete week is compared with an equal part of a week
spans as (

    select
        weeks.*,
        lag(weeks.net_sales_amount) over weeks_in_turn as previous_week_amount,
        lag(weeks.net_sales_amount_reporting) over weeks_in_turn as previous_week_amount_reporting,
        lag(weeks.is_complete) over weeks_in_turn as is_previous_complete,
        first_days.same_date_last_year as same_first_date,
        last_days.same_date_last_year as same_last_date,
        first_days.comparable_date_last_year as comparable_first_date,
        last_days.comparable_date_last_year as comparable_last_date
    from weeks
    inner join calendar as first_days
        on weeks.first_date = first_days.date_day
    inner join calendar as last_days
        on weeks.last_date = last_days.date_day
    window weeks_in_turn as (
        partition by weeks.source_system, weeks.currency order by weeks.iso_week_start_date asc nulls last
    )

),

compared as (

    {{ spans_against_last_year('spans', 'days') }}

),

final as (

    select
        iso_week_start_date,
        source_system,
        currency,
        net_sales_amount,
        previous_week_amount,
        -- a part of a week is not compared with a whole week
        case
            when is_complete and is_previous_complete
                then {{ relative_change('net_sales_amount', 'previous_week_amount') }}
        end as previous_week_change,
        cast(same_dates_last_year_amount as {{ var('sum_type') }}) as same_dates_last_year_amount,
        {{ relative_change('net_sales_amount', 'same_dates_last_year_amount') }} as same_dates_last_year_change,
        cast(comparable_dates_last_year_amount as {{ var('sum_type') }}) as comparable_dates_last_year_amount,
        {{ relative_change('net_sales_amount', 'comparable_dates_last_year_amount') }}
            as comparable_dates_last_year_change,
        month_to_date_amount,
        quarter_to_date_amount,
        year_to_date_amount,
        average_amount_28_days,
        net_sales_amount_reporting,
        previous_week_amount_reporting,
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
