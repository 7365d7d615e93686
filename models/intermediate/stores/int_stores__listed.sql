-- Grain: one row per source, store and day from which a list of stores says something of it.
{{ union_store_lists(['stg_city_stores__stores']) }}
