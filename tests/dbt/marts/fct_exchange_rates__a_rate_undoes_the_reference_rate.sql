-- Prevents: a rate that is lost, inverted or rounded early, and with it every converted amount.
-- On the days of the seed, the published rate of a currency times fx_rate is the published rate of the reporting
-- currency, up to the rounding of fx_rate.
with

exchange_rates as (

    select * from {{ ref('exchange_rates') }}

),

rates as (

    select * from {{ ref('fct_exchange_rates') }}

),

-- the euro itself is not in the seed
reporting_rates as (

    select
        rate_date,
        case
            when '{{ var("reporting_currency") }}' = 'EUR' then 1
            else max(case when currency = '{{ var("reporting_currency") }}' then units_per_euro end)
        end as units_per_euro
    from exchange_rates
    group by rate_date

),

final as (

    select
        exchange_rates.currency,
        exchange_rates.rate_date,
        exchange_rates.units_per_euro,
        reporting_rates.units_per_euro as reporting_units_per_euro,
        rates.fx_rate
    from exchange_rates
    inner join reporting_rates
        on exchange_rates.rate_date = reporting_rates.rate_date
    left join rates
        on exchange_rates.currency = rates.currency and exchange_rates.rate_date = rates.rate_date
    where
        reporting_rates.units_per_euro is not null
        and exchange_rates.currency <> '{{ var("reporting_currency") }}'
        and (
            rates.fx_rate is null
            or abs(rates.fx_rate * exchange_rates.units_per_euro - reporting_rates.units_per_euro)
            > exchange_rates.units_per_euro * 0.00000000005
        )

)

select * from final
