-- Grain: one row per source whose files are taken in, sales lines or none.
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
