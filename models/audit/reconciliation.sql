-- Grain: one row per arrow and scope, balanced or not. left_ is the side nearer to the files.
-- A measure that does not exist on both sides of an arrow is NULL on both, and so is its difference.
-- Both sides meet in a full outer join: a scope that is missing on one side counts 0 there.
with

files as (

    select
        feed,
        file_id as _file_id,
        rows_loaded as row_count
    from {{ source('ledger', 'files') }}
    where file_id in ({{ active_files() }})

),

raw_row_counts as (

    select * from {{ ref('raw_figures') }}

),

staged as (

    select
        feed,
        _file_id,
        cast(sum(row_count) as bigint) as row_count,
        cast(sum(case when row_status = 'accepted' then row_count else 0 end) as bigint) as accepted_row_count,
        coalesce(sum(case when row_status = 'accepted' then quantity end), 0) as accepted_quantity,
        coalesce(sum(case when row_status = 'accepted' then net_amount end), 0) as accepted_net_amount
    from {{ ref('row_outcomes') }}
    group by feed, _file_id

),

fact_figures as (

    select * from {{ ref('fact_figures') }}

),

fact_per_file as (

    select
        _file_id,
        sum(row_count) as row_count,
        sum(quantity) as quantity,
        sum(net_amount) as net_amount
    from fact_figures
    group by _file_id

),

-- all lines and, apart from them, those of goods: net sales could be wrong where the net amount is right
fact_per_currency as (

    select
        source_system || ', ' || currency || ', all lines' as scope,
        sum(row_count) as row_count,
        cast(null as numeric(28, 4)) as quantity,
        sum(net_amount) as net_amount,
        sum(net_amount_reporting) as net_amount_reporting
    from fact_figures
    group by source_system, currency

    union all

    select
        source_system || ', ' || currency || ', goods' as scope,
        sum(merchandise_row_count) as row_count,
        sum(merchandise_quantity) as quantity,
        sum(net_sales_amount) as net_amount,
        sum(net_sales_amount_reporting) as net_amount_reporting
    from fact_figures
    group by source_system, currency

),

order_totals as (

    select
        source_system,
        currency,
        sum(line_count) as line_count,
        sum(merchandise_line_count) as merchandise_line_count,
        sum(quantity) as quantity,
        sum(net_sales_amount) as net_sales_amount,
        sum(net_amount) as net_amount,
        sum(net_sales_amount_reporting) as net_sales_amount_reporting,
        sum(net_amount_reporting) as net_amount_reporting
    from {{ ref('fct_orders') }}
    group by source_system, currency

),

orders_per_currency as (

    select
        source_system || ', ' || currency || ', all lines' as scope,
        line_count as row_count,
        cast(null as numeric(28, 4)) as quantity,
        net_amount,
        net_amount_reporting
    from order_totals

    union all

    select
        source_system || ', ' || currency || ', goods' as scope,
        merchandise_line_count as row_count,
        quantity,
        net_sales_amount as net_amount,
        net_sales_amount_reporting as net_amount_reporting
    from order_totals

),

fact_returns_per_file as (

    select
        source_system,
        _file_id,
        sum(return_row_count) as row_count,
        sum(return_quantity) as quantity,
        sum(return_amount) as net_amount,
        sum(return_amount_reporting) as net_amount_reporting
    from fact_figures
    group by source_system, _file_id

),

returns_per_file as (

    select
        source_system,
        _file_id,
        count(*) as row_count,
        sum(quantity) as quantity,
        sum(return_amount) as net_amount,
        sum(return_amount_reporting) as net_amount_reporting
    from {{ ref('fct_returns') }}
    group by source_system, _file_id

),

fact_per_day as (

    select
        order_date,
        source_system,
        country,
        currency,
        sum(row_count) as row_count,
        sum(quantity) as quantity,
        sum(net_amount) as net_amount,
        sum(net_amount_reporting) as net_amount_reporting,
        sum(net_sales_amount) as net_sales_amount,
        sum(net_sales_amount_reporting) as net_sales_amount_reporting
    from fact_figures
    group by order_date, source_system, country, currency

),

daily as (

    select
        order_date,
        {{ date_part_number('year', 'order_date') }} as year_number,
        {{ date_part_number('month', 'order_date') }} as month_number,
        source_system,
        country,
        currency,
        line_count as row_count,
        quantity,
        net_amount,
        net_amount_reporting,
        net_sales_amount,
        net_sales_amount_reporting
    from {{ ref('agg_sales_daily') }}

),

daily_per_month as (

    select
        make_date(year_number, month_number, 1) as month_start_date,
        source_system,
        country,
        currency,
        sum(row_count) as row_count,
        sum(quantity) as quantity,
        sum(net_amount) as net_amount,
        sum(net_amount_reporting) as net_amount_reporting,
        sum(net_sales_amount) as net_sales_amount,
        sum(net_sales_amount_reporting) as net_sales_amount_reporting
    from daily
    group by make_date(year_number, month_number, 1), source_system, country, currency

),

monthly as (

    select
        month_start_date,
        source_system,
        country,
        currency,
        line_count as row_count,
        quantity,
        net_amount,
        net_amount_reporting,
        net_sales_amount,
        net_sales_amount_reporting
    from {{ ref('agg_sales_monthly') }}

),

file_to_raw as (

    select
        'file_to_raw' as arrow,
        coalesce(files.feed, raw_row_counts.feed) as feed,
        coalesce(files._file_id, raw_row_counts._file_id) as _file_id,
        coalesce(files.row_count, 0) as left_rows,
        coalesce(raw_row_counts.row_count, 0) as right_rows
    from files
    full outer join raw_row_counts
        on files._file_id = raw_row_counts._file_id and files.feed = raw_row_counts.feed

),

raw_to_staging as (

    select
        'raw_to_staging' as arrow,
        coalesce(raw_row_counts.feed, staged.feed) as feed,
        coalesce(raw_row_counts._file_id, staged._file_id) as _file_id,
        coalesce(raw_row_counts.row_count, 0) as left_rows,
        coalesce(staged.row_count, 0) as right_rows
    from raw_row_counts
    full outer join staged
        on raw_row_counts._file_id = staged._file_id and raw_row_counts.feed = staged.feed

),

-- text is not added up: money and quantity begin with staging
arrows_of_text as (

    select
        arrow,
        feed || ', file ' || cast(_file_id as {{ text_type() }}) as scope,
        _file_id,
        left_rows,
        right_rows,
        cast(null as numeric(28, 4)) as left_quantity,
        cast(null as numeric(28, 4)) as right_quantity,
        cast(null as numeric(28, 4)) as left_net_amount,
        cast(null as numeric(28, 4)) as right_net_amount,
        cast(null as numeric(28, 4)) as left_net_amount_reporting,
        cast(null as numeric(28, 4)) as right_net_amount_reporting,
        cast(null as numeric(28, 4)) as left_net_sales_amount,
        cast(null as numeric(28, 4)) as right_net_sales_amount,
        cast(null as numeric(28, 4)) as left_net_sales_amount_reporting,
        cast(null as numeric(28, 4)) as right_net_sales_amount_reporting
    from file_to_raw

    union all

    select
        arrow,
        feed || ', file ' || cast(_file_id as {{ text_type() }}) as scope,
        _file_id,
        left_rows,
        right_rows,
        cast(null as numeric(28, 4)) as left_quantity,
        cast(null as numeric(28, 4)) as right_quantity,
        cast(null as numeric(28, 4)) as left_net_amount,
        cast(null as numeric(28, 4)) as right_net_amount,
        cast(null as numeric(28, 4)) as left_net_amount_reporting,
        cast(null as numeric(28, 4)) as right_net_amount_reporting,
        cast(null as numeric(28, 4)) as left_net_sales_amount,
        cast(null as numeric(28, 4)) as right_net_sales_amount,
        cast(null as numeric(28, 4)) as left_net_sales_amount_reporting,
        cast(null as numeric(28, 4)) as right_net_sales_amount_reporting
    from raw_to_staging

),

staging_to_fact as (

    select
        'staging_to_fact' as arrow,
        coalesce(staged.feed, 'no feed') || ', file '
        || cast(coalesce(staged._file_id, fact_per_file._file_id) as {{ text_type() }}) as scope,
        coalesce(staged._file_id, fact_per_file._file_id) as _file_id,
        coalesce(staged.accepted_row_count, 0) as left_rows,
        coalesce(fact_per_file.row_count, 0) as right_rows,
        coalesce(staged.accepted_quantity, 0) as left_quantity,
        coalesce(fact_per_file.quantity, 0) as right_quantity,
        coalesce(staged.accepted_net_amount, 0) as left_net_amount,
        coalesce(fact_per_file.net_amount, 0) as right_net_amount,
        cast(null as numeric(28, 4)) as left_net_amount_reporting,
        cast(null as numeric(28, 4)) as right_net_amount_reporting,
        cast(null as numeric(28, 4)) as left_net_sales_amount,
        cast(null as numeric(28, 4)) as right_net_sales_amount,
        cast(null as numeric(28, 4)) as left_net_sales_amount_reporting,
        cast(null as numeric(28, 4)) as right_net_sales_amount_reporting
    from staged
    full outer join fact_per_file
        on staged._file_id = fact_per_file._file_id

),

fact_to_daily as (

    select
        'fact_to_daily' as arrow,
        cast(coalesce(fact_per_day.order_date, daily.order_date) as {{ text_type() }})
        || ', ' || coalesce(fact_per_day.source_system, daily.source_system)
        || ', ' || coalesce(fact_per_day.country, daily.country)
        || ', ' || coalesce(fact_per_day.currency, daily.currency) as scope,
        cast(null as bigint) as _file_id,
        coalesce(fact_per_day.row_count, 0) as left_rows,
        coalesce(daily.row_count, 0) as right_rows,
        coalesce(fact_per_day.quantity, 0) as left_quantity,
        coalesce(daily.quantity, 0) as right_quantity,
        coalesce(fact_per_day.net_amount, 0) as left_net_amount,
        coalesce(daily.net_amount, 0) as right_net_amount,
        coalesce(fact_per_day.net_amount_reporting, 0) as left_net_amount_reporting,
        coalesce(daily.net_amount_reporting, 0) as right_net_amount_reporting,
        coalesce(fact_per_day.net_sales_amount, 0) as left_net_sales_amount,
        coalesce(daily.net_sales_amount, 0) as right_net_sales_amount,
        coalesce(fact_per_day.net_sales_amount_reporting, 0) as left_net_sales_amount_reporting,
        coalesce(daily.net_sales_amount_reporting, 0) as right_net_sales_amount_reporting
    from fact_per_day
    full outer join daily
        on
            fact_per_day.order_date = daily.order_date
            and fact_per_day.source_system = daily.source_system
            and fact_per_day.country = daily.country
            and fact_per_day.currency = daily.currency

),

daily_to_monthly as (

    select
        'daily_to_monthly' as arrow,
        cast(coalesce(daily_per_month.month_start_date, monthly.month_start_date) as {{ text_type() }})
        || ', ' || coalesce(daily_per_month.source_system, monthly.source_system)
        || ', ' || coalesce(daily_per_month.country, monthly.country)
        || ', ' || coalesce(daily_per_month.currency, monthly.currency) as scope,
        cast(null as bigint) as _file_id,
        coalesce(daily_per_month.row_count, 0) as left_rows,
        coalesce(monthly.row_count, 0) as right_rows,
        coalesce(daily_per_month.quantity, 0) as left_quantity,
        coalesce(monthly.quantity, 0) as right_quantity,
        coalesce(daily_per_month.net_amount, 0) as left_net_amount,
        coalesce(monthly.net_amount, 0) as right_net_amount,
        coalesce(daily_per_month.net_amount_reporting, 0) as left_net_amount_reporting,
        coalesce(monthly.net_amount_reporting, 0) as right_net_amount_reporting,
        coalesce(daily_per_month.net_sales_amount, 0) as left_net_sales_amount,
        coalesce(monthly.net_sales_amount, 0) as right_net_sales_amount,
        coalesce(daily_per_month.net_sales_amount_reporting, 0) as left_net_sales_amount_reporting,
        coalesce(monthly.net_sales_amount_reporting, 0) as right_net_sales_amount_reporting
    from daily_per_month
    full outer join monthly
        on
            daily_per_month.month_start_date = monthly.month_start_date
            and daily_per_month.source_system = monthly.source_system
            and daily_per_month.country = monthly.country
            and daily_per_month.currency = monthly.currency

),

fact_to_orders as (

    select
        'fact_to_orders' as arrow,
        coalesce(fact_per_currency.scope, orders_per_currency.scope) as scope,
        cast(null as bigint) as _file_id,
        coalesce(fact_per_currency.row_count, 0) as left_rows,
        coalesce(orders_per_currency.row_count, 0) as right_rows,
        fact_per_currency.quantity as left_quantity,
        orders_per_currency.quantity as right_quantity,
        coalesce(fact_per_currency.net_amount, 0) as left_net_amount,
        coalesce(orders_per_currency.net_amount, 0) as right_net_amount,
        coalesce(fact_per_currency.net_amount_reporting, 0) as left_net_amount_reporting,
        coalesce(orders_per_currency.net_amount_reporting, 0) as right_net_amount_reporting,
        cast(null as numeric(28, 4)) as left_net_sales_amount,
        cast(null as numeric(28, 4)) as right_net_sales_amount,
        cast(null as numeric(28, 4)) as left_net_sales_amount_reporting,
        cast(null as numeric(28, 4)) as right_net_sales_amount_reporting
    from fact_per_currency
    full outer join orders_per_currency
        on fact_per_currency.scope = orders_per_currency.scope

),

fact_to_returns as (

    select
        'fact_to_returns' as arrow,
        coalesce(fact_returns_per_file.source_system, returns_per_file.source_system) || ', file '
        || cast(coalesce(fact_returns_per_file._file_id, returns_per_file._file_id) as {{ text_type() }}) as scope,
        coalesce(fact_returns_per_file._file_id, returns_per_file._file_id) as _file_id,
        coalesce(fact_returns_per_file.row_count, 0) as left_rows,
        coalesce(returns_per_file.row_count, 0) as right_rows,
        coalesce(fact_returns_per_file.quantity, 0) as left_quantity,
        coalesce(returns_per_file.quantity, 0) as right_quantity,
        coalesce(fact_returns_per_file.net_amount, 0) as left_net_amount,
        coalesce(returns_per_file.net_amount, 0) as right_net_amount,
        coalesce(fact_returns_per_file.net_amount_reporting, 0) as left_net_amount_reporting,
        coalesce(returns_per_file.net_amount_reporting, 0) as right_net_amount_reporting,
        cast(null as numeric(28, 4)) as left_net_sales_amount,
        cast(null as numeric(28, 4)) as right_net_sales_amount,
        cast(null as numeric(28, 4)) as left_net_sales_amount_reporting,
        cast(null as numeric(28, 4)) as right_net_sales_amount_reporting
    from fact_returns_per_file
    full outer join returns_per_file
        on
            fact_returns_per_file.source_system = returns_per_file.source_system
            and fact_returns_per_file._file_id = returns_per_file._file_id

),

all_arrows as (

    select * from arrows_of_text
    union all
    select * from staging_to_fact
    union all
    select * from fact_to_daily
    union all
    select * from daily_to_monthly
    union all
    select * from fact_to_orders
    union all
    select * from fact_to_returns

),

final as (

    select
        arrow,
        scope,
        cast(left_rows as bigint) as left_rows,
        cast(right_rows as bigint) as right_rows,
        cast(left_rows - right_rows as bigint) as rows_difference,
        cast(left_quantity as numeric(28, 4)) as left_quantity,
        cast(right_quantity as numeric(28, 4)) as right_quantity,
        cast(left_quantity - right_quantity as numeric(28, 4)) as quantity_difference,
        cast(left_net_amount as numeric(28, 4)) as left_net_amount,
        cast(right_net_amount as numeric(28, 4)) as right_net_amount,
        cast(left_net_amount - right_net_amount as numeric(28, 4)) as net_amount_difference,
        cast(left_net_amount_reporting as numeric(28, 4)) as left_net_amount_reporting,
        cast(right_net_amount_reporting as numeric(28, 4)) as right_net_amount_reporting,
        cast(left_net_amount_reporting - right_net_amount_reporting as numeric(28, 4))
            as net_amount_reporting_difference,
        cast(left_net_sales_amount as numeric(28, 4)) as left_net_sales_amount,
        cast(right_net_sales_amount as numeric(28, 4)) as right_net_sales_amount,
        cast(left_net_sales_amount - right_net_sales_amount as numeric(28, 4)) as net_sales_amount_difference,
        cast(left_net_sales_amount_reporting as numeric(28, 4)) as left_net_sales_amount_reporting,
        cast(right_net_sales_amount_reporting as numeric(28, 4)) as right_net_sales_amount_reporting,
        cast(left_net_sales_amount_reporting - right_net_sales_amount_reporting as numeric(28, 4))
            as net_sales_amount_reporting_difference,
        (left_rows = right_rows)
        and (left_quantity is not distinct from right_quantity)
        and (left_net_amount is not distinct from right_net_amount)
        and (left_net_amount_reporting is not distinct from right_net_amount_reporting)
        and (left_net_sales_amount is not distinct from right_net_sales_amount)
        and (left_net_sales_amount_reporting is not distinct from right_net_sales_amount_reporting) as is_balanced,
        _file_id
    from all_arrows

)

select * from final
