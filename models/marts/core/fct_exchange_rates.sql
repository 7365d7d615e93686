-- Grain: one row per currency and day on which it can be converted into the reporting currency.
-- fx_rate must not be summed.
{{ config(indexes=[{'columns': ['currency', 'rate_date'], 'unique': True}]) }}
with

exchange_rates as (

    select * from {{ ref('exchange_rates') }}

),

published as (

    select
        currency,
        rate_date,
        units_per_euro
    from exchange_rates

    union all

    -- the euro itself, on every day with a published rate
    select
        'EUR' as currency,
        rate_date,
        cast(1 as {{ var('rate_type') }}) as units_per_euro
    from exchange_rates
    group by rate_date

),

followed as (

    select
        *,
        lead(rate_date) over (partition by currency order by rate_date asc nulls last) as next_rate_date
    from published

),

carry_days as (

    {% for day_count in range(var('fx_max_carry_days') | int + 1) -%}
        {{ 'union all' if not loop.first }}
        select {{ day_count }} as day_count
    {% endfor %}

),

-- On a day without a rate, such as a weekend or a holiday of the bank, the previous rate holds.
carried as (

    select
        followed.currency,
        followed.rate_date + carry_days.day_count as rate_date,
        followed.rate_date as published_date,
        followed.units_per_euro
    from followed
    cross join carry_days
    where followed.next_rate_date is null or followed.rate_date + carry_days.day_count < followed.next_rate_date

),

-- A currency has one row per day, so the largest value is the only one.
crossed as (

    select
        *,
        max(case when currency = '{{ var("reporting_currency") }}' then units_per_euro end) over (
            partition by rate_date
        ) as reporting_units_per_euro,
        max(case when currency = '{{ var("reporting_currency") }}' then published_date end) over (
            partition by rate_date
        ) as reporting_published_date
    from carried

),

calendar as (

    {{ calendar_days(var('calendar_start'), var('calendar_end')) }}

),

final as (

    select
        currency,
        rate_date,
        {{ div('reporting_units_per_euro', 'units_per_euro', *decimal_size('rate_type')) }} as fx_rate,
        -- for a cross rate the older of both days
        least(published_date, reporting_published_date) as published_date
    from crossed
    where currency <> '{{ var("reporting_currency") }}' and reporting_units_per_euro is not null

    union all

    -- on every day, whatever rates exist: nothing is converted
    select
        '{{ var("reporting_currency") }}' as currency,
        date_day as rate_date,
        cast(1 as {{ var('rate_type') }}) as fx_rate,
        date_day as published_date
    from calendar

)

select * from final
