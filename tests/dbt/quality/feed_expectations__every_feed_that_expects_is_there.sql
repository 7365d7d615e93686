-- Prevents: a feed that declares expected deliveries, but whose missing deliveries are not reported.
with

declared as (

    {% for feed in feeds() if (feed.source.external.options or {}).get('expected') -%}
        {{ 'union all' if not loop.first }}
        select cast('{{ feed.name }}' as {{ text_type() }}) as feed
    {% else -%}
        select cast('' as {{ text_type() }}) as feed
        where false
    {%- endfor %}

),

expectations as (

    select feed from {{ ref('feed_expectations') }}

),

final as (

    select
        declared.feed as declared_feed,
        expectations.feed as expected_feed
    from declared
    full outer join expectations
        on declared.feed = expectations.feed
    where
        (declared.feed is null or expectations.feed is null)
        -- dbt reads no row of any model with --empty
        and {{ 'false' if is_empty_run() else 'true' }}

)

select * from final
