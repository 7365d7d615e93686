-- Grain: that of stg_city_stores__receipt_lines, of the files that builds have seen.
-- Each row is cast once: the models that follow read this table, and people the view.
{{ typed_rows('stg_city_stores__receipt_lines', indexes=[{'columns': ['store_id', 'order_date']}]) }}
