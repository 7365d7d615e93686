-- Grain: one row per feed, part_value and business_date with an expected or actual delivery.
-- No measures: count the rows. content_count counts the versions of one delivery.
with

expectations as (

    select * from {{ ref('feed_expectations') }}

),

calendar as (

    select
        date_day,
        day_of_month,
        iso_day_of_week
    from {{ ref('dim_date') }}

),

holidays as (

    select * from {{ ref('holidays') }}

),

closing_days as (

    select * from {{ ref('feed_closing_days') }}

),

files as (

    select
        feed,
        file_id,
        delivery_key,
        period_start_date
    from {{ source('ledger', 'files') }}

),

events as (

    select
        file_id,
        event_id,
        kind,
        at as happened_at
    from {{ source('ledger', 'file_events') }}
    where event_id <= {{ upper_event() }} and kind in ('activated', 'deactivated')

),

build_time as (

    select cast({{ build_started_at() }} as {{ instant_type() }}) as as_of_at

),

file_states as (

    select
        file_id,
        min(case when kind = 'activated' then happened_at end) as taken_in_at,
        max(case when kind = 'activated' then event_id else 0 end)
        > max(case when kind = 'deactivated' then event_id else 0 end) as is_active
    from events
    group by file_id

),

keyed_files as (

    select
        files.feed,
        -- the last part of the key, so its value is the rest of the text, including blanks
        case
            when expectations.per_part is null then ''
            else split_part(' ' || files.delivery_key, ' ' || expectations.per_part || '=', 2)
        end as part_value,
        files.period_start_date as business_date,
        file_states.taken_in_at,
        file_states.is_active
    from files
    inner join expectations
        on files.feed = expectations.feed
    inner join file_states
        on files.file_id = file_states.file_id

),

deliveries as (

    select
        feed,
        part_value,
        business_date,
        count(*) as content_count,
        min(taken_in_at) as delivered_at,
        max(taken_in_at) as last_delivered_at
    from keyed_files
    group by feed, part_value, business_date
    -- an unloaded file does not count; a delivery counts while one of its versions does
    having bool_or(is_active)

),

senders as (

    select
        feed,
        part_value,
        min(business_date) as first_delivered_date
    from deliveries
    group by feed, part_value

),

feeds as (

    select
        feed,
        max(business_date) as last_delivered_date
    from deliveries
    group by feed

),

-- Each known sender is expected from its first delivery on; a feed with one sender is expected before it delivers.
expected_senders as (

    select
        expectations.*,
        coalesce(senders.part_value, '') as part_value,
        case
            when expectations.per_part is null then coalesce(expectations.first_date, senders.first_delivered_date)
            else greatest(expectations.first_date, senders.first_delivered_date)
        end as start_date,
        least(
            expectations.last_date,
            -- without a due time, a gap is missing once a later delivery has arrived
            case
                when expectations.due_time is null then feeds.last_delivered_date
                else {{ local_date('build_time.as_of_at', 'expectations.time_zone') }}
            end
        ) as end_date
    from expectations
    cross join build_time
    left join senders
        on expectations.feed = senders.feed
    left join feeds
        on expectations.feed = feeds.feed
    where expectations.per_part is null or senders.feed is not null

),

expected_days as (

    select
        expected_senders.*,
        calendar.date_day as business_date,
        case
            when expected_senders.iso_days_of_week = '' then {{ month_end('calendar.date_day') }}
            else calendar.date_day
        end as period_end_date
    from expected_senders
    inner join calendar
        on calendar.date_day between expected_senders.start_date and expected_senders.end_date
    -- most days are neither a holiday nor a closing day of the feed; a month has no holiday
    left join holidays
        on
            calendar.date_day = holidays.holiday_date
            and expected_senders.holiday_country = holidays.country
            and expected_senders.iso_days_of_week <> ''
    left join closing_days
        on calendar.date_day = closing_days.closing_date and expected_senders.feed = closing_days.feed
    where
        case
            when expected_senders.iso_days_of_week = '' then calendar.day_of_month = 1
            else position(cast(calendar.iso_day_of_week as {{ text_type() }}) in expected_senders.iso_days_of_week) > 0
        end
        and holidays.holiday_date is null
        and closing_days.closing_date is null

),

due_dates as (

    select
        feed,
        part_value,
        business_date,
        due_time,
        time_zone,
        grace_minutes,
        cast({{ later('period_end_date', 'days_after', 'day') }} as date) as due_date
    from expected_days

),

due_instants as (

    select
        feed,
        part_value,
        business_date,
        grace_minutes,
        case when due_time is not null then {{ instant_at('due_date', 'due_time', 'time_zone') }} end as due_at
    from due_dates

),

deadlines as (

    select
        feed,
        part_value,
        business_date,
        due_at,
        {{ later('due_at', 'grace_minutes', 'minute') }} as deadline_at
    from due_instants

),

compared as (

    select
        coalesce(deadlines.feed, deliveries.feed) as feed,
        coalesce(deadlines.part_value, deliveries.part_value) as part_value,
        coalesce(deadlines.business_date, deliveries.business_date) as business_date,
        deadlines.feed is not null as is_expected,
        deliveries.feed is not null as is_delivered,
        deadlines.due_at,
        deadlines.deadline_at,
        deliveries.delivered_at,
        deliveries.last_delivered_at,
        coalesce(deliveries.content_count, 0) as content_count
    from deadlines
    -- an unexpected delivery has no deadline, a missing one has no delivery
    full outer join deliveries
        on
            deadlines.feed = deliveries.feed
            and deadlines.part_value = deliveries.part_value
            and deadlines.business_date = deliveries.business_date

),

final as (

    select
        compared.feed,
        compared.part_value,
        compared.business_date,
        case
            when not compared.is_expected then 'unexpected'
            when compared.is_delivered and compared.delivered_at > compared.deadline_at then 'late'
            when compared.is_delivered then 'on_time'
            when compared.deadline_at >= build_time.as_of_at then 'pending'
            else 'missing'
        end as delivery_status,
        compared.content_count,
        compared.content_count > 1 as is_corrected,
        compared.due_at,
        compared.deadline_at,
        compared.delivered_at,
        case when compared.content_count > 1 then compared.last_delivered_at end as corrected_at,
        build_time.as_of_at
    from compared
    cross join build_time

)

select * from final
