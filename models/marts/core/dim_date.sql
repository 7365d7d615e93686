-- Grain: one row per day from calendar_start to calendar_end, both included.
with

days as (

    {{ calendar_days(var('calendar_start'), var('calendar_end')) }}

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

final as (

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
        iso_day_of_week >= 6 as is_weekend,
        make_date(year_number, month_number, 1) as month_start_date
    from numbered

)

select * from final
