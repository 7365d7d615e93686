-- Grain: one row per line. In four parts, so that two workers have something to do.
select
    line.id as line_id,
    cast(line.id % 7 as int) as product_id,
    cast(cast(line.id % 100 as decimal(18, 4)) * cast(1.25 as decimal(9, 4)) as decimal(18, 4)) as net_amount
from range(0, {{ var('lines') }}, 1, 4) as line
