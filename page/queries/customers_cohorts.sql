-- Share of each cohort that bought again after so many months; months that are not complete are left out.
select
    cohort_month_start_date,
    months_since,
    sum(cohort_customer_count) as cohort_customer_count,
    sum(active_customer_count) as active_customer_count,
    round(sum(active_customer_count) / nullif(sum(cohort_customer_count), 0), 4) as retention
from customer_cohorts
where
    is_complete
    and (cast(%(sources)s as text []) is null or source_system = any(cast(%(sources)s as text [])))
group by cohort_month_start_date, months_since
order by cohort_month_start_date, months_since
