-- Grain: one row per sales line that an earlier file of its source has too, line by line: exports that overlap?
-- Both lines count: what is here may be counted twice. Amounts may be summed only within one currency.
-- Earlier means with a smaller file id. Feeds that may repeat their records are left out.
{{ config(
    materialized='incremental_by_ledger',
    incremental_strategy='by_touched_date',
    meta={'date_column': 'order_date'},
    indexes=[{'columns': ['order_date'], 'type': 'brin'}],
) }}
{% set compared = [
    'source_system', 'order_id', 'line_type', 'ordered_at', 'order_date', 'customer_id', 'product_id', 'quantity',
    'net_amount', 'currency',
] %}
with

files as (

    select
        feed,
        file_id
    from {{ source('ledger', 'files') }}
    where feed not in {{ feeds_that_may_repeat() }}

),

-- most days of a source are in one file: their lines are not compared
shared_days as (

    select
        source_system,
        order_date
    from {{ ref('fct_sales_lines') }}
    where {{ only_touched_dates('order_date') }}
    group by source_system, order_date
    having min(_file_id) < max(_file_id)

),

-- the lines are read twice, because PostgreSQL would write a CTE of all that is read twice to disk
lines as (

    select
        sales_line_id,
        {{ column_list(compared) }},
        _file_id,
        _row_number
    from {{ ref('fct_sales_lines') }}
    where {{ only_touched_dates('order_date') }}

),

lines_of_shared_days as (

    select
        lines.*,
        files.feed
    from lines
    inner join shared_days
        on lines.source_system = shared_days.source_system and lines.order_date = shared_days.order_date
    inner join files
        on lines._file_id = files.file_id

),

-- the n-th of several equal lines of a file is compared with the n-th of another one
numbered as (

    select
        *,
        row_number() over (
            partition by {{ compared | join(', ') }}, _file_id
            order by _row_number asc nulls last, sales_line_id asc nulls last
        ) as occurrence_number
    from lines_of_shared_days

),

compared as (

    select
        *,
        min(_file_id) over (partition by {{ compared | join(', ') }}, occurrence_number) as first_file_id
    from numbered

),

final as (

    select
        sales_line_id,
        feed,
        source_system,
        order_id,
        product_id,
        quantity,
        net_amount,
        currency,
        order_date,
        first_file_id,
        _file_id,
        _row_number
    from compared
    where first_file_id < _file_id

)

select * from final
