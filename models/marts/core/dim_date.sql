-- Grain: one row per day from calendar_start to calendar_end, both included.
{% set fiscal_start = fiscal_start_month() | int %}
with

days as (

    {{ calendar_days(var('calendar_start'), var('calendar_end')) }}

),

holidays as (

    select * from {{ ref('holidays') }}
    where country = '{{ var("holiday_country") }}'

),

numbered as (

    select
        date_day,
        {{ date_part_number('year', 'date_day') }} as year_number,
        {{ date_part_number('quarter', 'date_day') }} as quarter_number,
        {{ date_part_number('month', 'date_day') }} as month_number,
        {{ date_part_number('day', 'date_day') }} as day_of_month,
        {{ date_part_number('iso_year', 'date_day') }} as iso_year_number,
        {{ date_part_number('iso_week', 'date_day') }} as iso_week_number,
        {{ date_part_number('iso_day_of_week', 'date_day') }} as iso_day_of_week
    from days

),

-- A retail year begins on the day after the Saturday closest to 31 January: the Sunday of 29 January to 4 February.
year_starts as (

    select
        *,
        case when month_number >= {{ fiscal_start }} then year_number else year_number - 1 end as fiscal_start_year,
        make_date(year_number, 1, 29) + 7
        - {{ date_part_number('iso_day_of_week', 'make_date(year_number, 1, 29)') }} as retail_start_this_year,
        make_date(year_number - 1, 1, 29) + 7
        - {{ date_part_number('iso_day_of_week', 'make_date(year_number - 1, 1, 29)') }} as retail_start_last_year
    from numbered

),

weeks as (

    select
        *,
        mod(month_number - {{ fiscal_start }} + 12, 12) + 1 as fiscal_month_number,
        case when date_day >= retail_start_this_year then year_number else year_number - 1 end as retail_year_number,
        case when date_day >= retail_start_this_year then retail_start_this_year else retail_start_last_year end
            as retail_year_start_date,
        -- back to Sunday
        date_day - mod(iso_day_of_week, 7) as retail_week_start_date
    from year_starts

),

retail_weeks as (

    select
        *,
        cast(
            1 + {{ div(days_between('retail_year_start_date', 'retail_week_start_date'), 7, 9, 0) }} as integer
        ) as retail_week_number
    from weeks

),

described as (

    select
        date_day,
        case month_number
            when 1 then 'January'
            when 2 then 'February'
            when 3 then 'March'
            when 4 then 'April'
            when 5 then 'May'
            when 6 then 'June'
            when 7 then 'July'
            when 8 then 'August'
            when 9 then 'September'
            when 10 then 'October'
            when 11 then 'November'
            when 12 then 'December'
        end as month_name,
        case iso_day_of_week
            when 1 then 'Monday'
            when 2 then 'Tuesday'
            when 3 then 'Wednesday'
            when 4 then 'Thursday'
            when 5 then 'Friday'
            when 6 then 'Saturday'
            when 7 then 'Sunday'
        end as day_name,
        year_number,
        quarter_number,
        month_number,
        day_of_month,
        iso_year_number,
        iso_week_number,
        iso_day_of_week,
        -- named after the calendar year in which it ends
        fiscal_start_year + {{ 0 if fiscal_start == 1 else 1 }} as fiscal_year_number,
        case
            when fiscal_month_number <= 3 then 1
            when fiscal_month_number <= 6 then 2
            when fiscal_month_number <= 9 then 3
            else 4
        end as fiscal_quarter_number,
        fiscal_month_number,
        retail_year_number,
        -- a 53rd week belongs to the last quarter and month
        case
            when retail_week_number <= 13 then 1
            when retail_week_number <= 26 then 2
            when retail_week_number <= 39 then 3
            else 4
        end as retail_quarter_number,
        -- each quarter has months of 4, 5 and 4 weeks
        case
            when retail_week_number <= 4 then 1
            when retail_week_number <= 9 then 2
            when retail_week_number <= 13 then 3
            when retail_week_number <= 17 then 4
            when retail_week_number <= 22 then 5
            when retail_week_number <= 26 then 6
            when retail_week_number <= 30 then 7
            when retail_week_number <= 35 then 8
            when retail_week_number <= 39 then 9
            when retail_week_number <= 43 then 10
            when retail_week_number <= 48 then 11
            else 12
        end as retail_month_number,
        retail_week_number,
        iso_day_of_week >= 6 as is_weekend,
        date_day - (iso_day_of_week - 1) as iso_week_start_date,
        make_date(year_number, month_number, 1) as month_start_date,
        -- the day before the first of the next month
        make_date(
            year_number + case when month_number = 12 then 1 else 0 end, mod(month_number, 12) + 1, 1
        ) - 1 as month_end_date,
        make_date(year_number, 3 * quarter_number - 2, 1) as quarter_start_date,
        make_date(year_number, 1, 1) as year_start_date,
        make_date(fiscal_start_year, {{ fiscal_start }}, 1) as fiscal_year_start_date,
        retail_week_start_date,
        make_date(
            year_number - 1,
            month_number,
            case when month_number = 2 and day_of_month = 29 then 28 else day_of_month end
        ) as same_date_last_year,
        -- 52 weeks back; after a year of 53 weeks this is the second week of that year, as the restated calendar has it
        date_day - 364 as comparable_date_last_year
    from retail_weeks

),

final as (

    select
        described.*,
        holidays.holiday_name,
        holidays.holiday_name is not null as is_holiday
    from described
    -- most days are not a holiday; a country has one holiday name per day (tested)
    left join holidays
        on described.date_day = holidays.holiday_date

)

select * from final
