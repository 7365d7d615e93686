{# The files of which too many rows are quarantined, by the options max_quarantined and on_quarantined of their feeds. A
   file that was published already is left alone, and so is one that a person accepted. #}
{% macro files_over_limit(row_outcomes) -%}
with

limits as (
    {% for feed in feeds() %}
    {%- set limit = quarantine_limit(feed) %}
    {{ 'union all' if not loop.first }}
    select
        cast('{{ feed.name }}' as {{ text_type() }}) as feed,
        cast('{{ limit.text }}' as {{ text_type() }}) as limit_text,
        cast({{ limit.share }} as {{ var('rate_type') }}) as allowed_share,
        cast({{ limit.count }} as bigint) as allowed_count,
        cast('{{ limit.reaction }}' as {{ text_type() }}) as reaction
    {%- else %}
    select
        cast('' as {{ text_type() }}) as feed,
        cast('' as {{ text_type() }}) as limit_text,
        cast(0 as {{ var('rate_type') }}) as allowed_share,
        cast(0 as bigint) as allowed_count,
        cast('' as {{ text_type() }}) as reaction
    where false
    {%- endfor %}

),

published as (

    {{ published_event() }}

),

-- of the files that were not published yet; an activation with a detail is a person's: the file was accepted
activations as (

    select
        file_id,
        max(event_id) as event_id,
        max(case when detail is not null then event_id end) as accepted_event_id
    from {{ source('ledger', 'file_events') }}
    where kind = 'activated' and event_id > (select published.upper_event_id from published)
    group by file_id

),

outcomes as (

    select
        _file_id,
        sum(case when row_status = 'quarantined' then row_count else 0 end) as quarantined_count,
        sum(case when row_status in ('quarantined', 'accepted') then row_count else 0 end) as judged_count
    from {{ row_outcomes }}
    where _file_id in (select activations.file_id from activations)
    group by _file_id

),

files as (

    select * from {{ source('ledger', 'files') }}

),

final as (

    select
        files.file_id,
        files.feed,
        files.uri,
        files.supersedes_file_id,
        cast(outcomes.quarantined_count as bigint) as quarantined_count,
        cast(outcomes.judged_count as bigint) as judged_count,
        limits.limit_text,
        limits.reaction
    from outcomes
    inner join files
        on outcomes._file_id = files.file_id
    inner join activations
        on files.file_id = activations.file_id
    -- a feed that is not declared any more has no limit
    inner join limits
        on files.feed = limits.feed
    where
        files.status = 'active'
        and limits.reaction <> 'accept'
        and outcomes.quarantined_count > limits.allowed_count
        and outcomes.quarantined_count > limits.allowed_share * outcomes.judged_count
        and activations.event_id is distinct from activations.accepted_event_id

)

select * from final
{%- endmacro %}

{# `share` and `count` must both be exceeded. Without the option that is 5 % and 19 rows: in a small file a few rows say
   nothing. #}
{% macro quarantine_limit(feed) -%}
    {%- set options = feed.source.external.options or {} -%}
    {%- set given = options.get('max_quarantined', none) | string | trim -%}
    {%- set limit = {'share': '0.05', 'count': 19, 'text': '5% and at least 20 rows'} -%}
    {%- if given.endswith('%') -%}
        {%- do limit.update({'share': given[:-1] ~ ' * 0.01', 'count': 0, 'text': given}) -%}
    {%- elif given != 'None' -%}
        {%- do limit.update({'share': 0, 'count': given, 'text': given ~ ' rows'}) -%}
    {%- endif -%}
    {%- do limit.update({'reaction': options.get('on_quarantined', 'hold')}) -%}
    {{ return(limit) }}
{%- endmacro %}
