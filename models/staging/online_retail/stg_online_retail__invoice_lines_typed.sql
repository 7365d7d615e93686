-- Grain: that of stg_online_retail__invoice_lines, of the files that builds have seen.
-- Each row is cast once: the models that follow read this table, and people the view.
{{ typed_rows('stg_online_retail__invoice_lines') }}
