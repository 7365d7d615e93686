-- Grain: one row per source with a declared feed, with or without sales lines.
with

sources as (
    {{ declared_sources() }}
),

final as (

    select
        source_system,
        source_description,
        feed_count
    from sources

)

select * from final
