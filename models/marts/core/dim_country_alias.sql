-- Grain: one row per text by which files name a country, in lower case.
with

countries as (

    select * from {{ ref('countries') }}

),

aliases as (

    select * from {{ ref('country_aliases') }}

),

final as (

    select
        lower(country_name) as alias, -- portable: a letter that an engine keeps is a name that is reported
        country_code
    from countries

    union all

    select
        lower(country_code) as alias, -- portable: two ASCII letters
        country_code
    from countries

    union all

    select
        alias,
        country_code
    from aliases

)

select * from final
