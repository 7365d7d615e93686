-- Grain: one row per channel.
with

channels as (

    select * from {{ ref('channels') }}

),

final as (

    select
        channel,
        channel_name,
        description as channel_description,
        is_digital
    from channels

)

select * from final
