-- Grain: one row per feed with `expected` in its declaration.
with

final as (

    {{ declared_expectations() }}

)

select
    feed,
    iso_days_of_week,
    per_part,
    due_time,
    time_zone,
    holiday_country,
    days_after,
    grace_minutes,
    first_date,
    last_date
from final
