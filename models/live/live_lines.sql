-- Grain: one row per accepted sales line that came since the latest publication.
-- Do not read it by itself: live.order_lines says which of its files count.
{{ config(
    alias='lines',
    materialized='kept_table',
    post_hook='{{ start_live_again() }}',
    indexes=[{'columns': ['_fill_number']}, {'columns': ['_file_id', '_row_number']}, {'columns': ['order_date', 'order_id']}],
) }}
select
    *,
    cast(0 as bigint) as _fill_number
from {{ ref('live_priced_lines') }}
