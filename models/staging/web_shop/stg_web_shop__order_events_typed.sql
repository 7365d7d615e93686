-- Grain: that of stg_web_shop__order_events, of the files that builds have seen.
-- Each row is cast once: the models that follow read this table, and people the view.
{{ typed_rows('stg_web_shop__order_events') }}
