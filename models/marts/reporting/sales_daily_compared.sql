-- Grain: one row per date_day, source_system and currency, from the first to the last day with a sales line, no gaps.
-- Changes and averages must not be summed, amounts to date not over days. Amounts may be summed only within one
-- currency, those that end in _reporting also over sources.
{{ config(
    materialized='table_when_new',
) }}
with

daily_sales as (

    select *
    from {{ ref('agg_sales_daily') }}

),

calendar as (

    select * from {{ ref('dim_date') }}

),

sales_per_day as (

    select
        order_date,
        source_system,
        currency,
        sum(net_sales_amount) as net_sales_amount,
        sum(net_sales_amount_reporting) as net_sales_amount_reporting
    from daily_sales
    group by order_date, source_system, currency

),

series as (

    select
        source_system,
        currency,
        min(order_date) as first_date,
        max(order_date) as last_date
    from sales_per_day
    group by source_system, currency

),

days as (

    select
        calendar.date_day,
        series.source_system,
        series.currency,
        -- a day without a sales line has sales of 0 and counts in every average
        cast(coalesce(sales_per_day.net_sales_amount, 0) as {{ var('sum_type') }}) as net_sales_amount,
        cast(coalesce(sales_per_day.net_sales_amount_reporting, 0) as {{ var('sum_type') }})
            as net_sales_amount_reporting,
        calendar.month_start_date,
        calendar.quarter_start_date,
        calendar.year_start_date,
        calendar.same_date_last_year,
        calendar.comparable_date_last_year
    from series
    inner join calendar
        on calendar.date_day between series.first_date and series.last_date
    -- no match on days without a sales line
    left join sales_per_day
        on
            series.source_system = sales_per_day.source_system
            and series.currency = sales_per_day.currency
            and calendar.date_day = sales_per_day.order_date

),

-- a series has every day, so the row before is the day before, and seven rows are seven days
accumulated as (

    select
        *,
        lag(net_sales_amount) over days_in_turn as previous_day_amount,
        lag(net_sales_amount_reporting) over days_in_turn as previous_day_amount_reporting,
        cast(sum(net_sales_amount) over month_to_date as {{ var('sum_type') }}) as month_to_date_amount,
        cast(sum(net_sales_amount) over quarter_to_date as {{ var('sum_type') }}) as quarter_to_date_amount,
        cast(sum(net_sales_amount) over year_to_date as {{ var('sum_type') }}) as year_to_date_amount,
        cast(sum(net_sales_amount) over series_to_date as {{ var('sum_type') }}) as series_to_date_amount,
        cast(sum(net_sales_amount_reporting) over series_to_date as {{ var('sum_type') }})
            as series_to_date_amount_reporting,
        sum(net_sales_amount) over last_7_days as amount_of_7_days,
        count(*) over last_7_days as days_of_7,
        sum(net_sales_amount) over last_28_days as amount_of_28_days,
        count(*) over last_28_days as days_of_28
    from days
    window
        days_in_turn as (partition by source_system, currency order by date_day asc nulls last),
        month_to_date as (
            partition by source_system, currency, month_start_date order by date_day asc nulls last
            rows between unbounded preceding and current row
        ),
        quarter_to_date as (
            partition by source_system, currency, quarter_start_date order by date_day asc nulls last
            rows between unbounded preceding and current row
        ),
        year_to_date as (
            partition by source_system, currency, year_start_date order by date_day asc nulls last
            rows between unbounded preceding and current row
        ),
        series_to_date as (
            partition by source_system, currency order by date_day asc nulls last
            rows between unbounded preceding and current row
        ),
        last_7_days as (
            partition by source_system, currency order by date_day asc nulls last
            rows between 6 preceding and current row
        ),
        last_28_days as (
            partition by source_system, currency order by date_day asc nulls last
            rows between 27 preceding and current row
        )

),

final as (

    select
        accumulated.date_day,
        accumulated.source_system,
        accumulated.currency,
        accumulated.net_sales_amount,
        accumulated.previous_day_amount,
        {{ relative_change('accumulated.net_sales_amount', 'accumulated.previous_day_amount') }}
            as previous_day_change,
        same_dates.net_sales_amount as same_date_last_year_amount,
        {{ relative_change('accumulated.net_sales_amount', 'same_dates.net_sales_amount') }}
            as same_date_last_year_change,
        comparable_dates.net_sales_amount as comparable_date_last_year_amount,
        {{ relative_change('accumulated.net_sales_amount', 'comparable_dates.net_sales_amount') }}
            as comparable_date_last_year_change,
        accumulated.month_to_date_amount,
        accumulated.quarter_to_date_amount,
        accumulated.year_to_date_amount,
        accumulated.series_to_date_amount,
        case
            when accumulated.days_of_7 = 7
                then {{ div('accumulated.amount_of_7_days', 'accumulated.days_of_7', *decimal_size('sum_type')) }}
        end as average_amount_7_days,
        case
            when accumulated.days_of_28 = 28
                then {{ div('accumulated.amount_of_28_days', 'accumulated.days_of_28', *decimal_size('sum_type')) }}
        end as average_amount_28_days,
        accumulated.net_sales_amount_reporting,
        accumulated.previous_day_amount_reporting,
        same_dates.net_sales_amount_reporting as same_date_last_year_amount_reporting,
        comparable_dates.net_sales_amount_reporting as comparable_date_last_year_amount_reporting,
        accumulated.series_to_date_amount_reporting
    from accumulated
    -- neither matches where the series began less than a year before
    left join accumulated as same_dates
        on
            accumulated.source_system = same_dates.source_system
            and accumulated.currency = same_dates.currency
            and accumulated.same_date_last_year = same_dates.date_day
    left join accumulated as comparable_dates
        on
            accumulated.source_system = comparable_dates.source_system
            and accumulated.currency = comparable_dates.currency
            and accumulated.comparable_date_last_year = comparable_dates.date_day

)

select * from final
