{# Query with the period that each file of the feeds is about, from its business key: file_id, period_start_date and
   period_end_date, both NULL where the key gives no real day. Without a list: of the feed of this staging model. #}
{% macro delivery_periods(feed_names=none) -%}
    {%- set files = source('ledger', 'files') -%}
    {%- set dated = [] -%}
    {%- for name in (feed_names if feed_names is not none else [staged_feed()]) if execute -%}
        {%- set period = feed_period(name) -%}
        {%- if period -%}
            {%- do dated.append({'feed': name, 'period': period}) -%}
        {%- elif feed_names is none -%}
            {{ exceptions.raise_compiler_error(
                name ~ ' declares no period. Write `config: {meta: {period: day}}` (or month) into its source entry.'
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {%- for feed in dated %}
    {{ 'union all' if not loop.first }}
    select
        file_id,
        period_start_date,
        {{ 'period_start_date' if feed.period.unit == 'day' else dbt.last_day('period_start_date', 'month') }} as period_end_date
    from (
        select
            file_id,
            {{ try_date('period_text') }} as period_start_date
        from (
            select
                file_id,
                {{ period_text(feed.period) }} as period_text
            from {{ files }}
            where feed = '{{ feed.feed }}'
        ) as keyed_files
    ) as dated_files
    {%- else %}
    select
        file_id,
        cast(null as date) as period_start_date,
        cast(null as date) as period_end_date
    from {{ files }}
    where false
    {%- endfor %}
{%- endmacro %}

{# What the source entry declares: unit (day or month) and the groups of the business key; none where nothing is declared. #}
{% macro feed_period(feed_name) -%}
    {%- for source in graph.sources.values() if source.external and source.source_name ~ '.' ~ source.name == feed_name -%}
        {%- set unit = source.config.meta.get('period') -%}
        {%- if unit is none -%}
            {{ return(none) }}
        {%- endif -%}
        {%- set options = source.external.options or {} -%}
        {%- set groups = modules.re.findall('[(][?]P<([A-Za-z0-9_]+)>', options.business_key or '') -%}
        {%- set wanted = {'day': ['year', 'month', 'day'], 'month': ['year', 'month']}.get(unit) -%}
        {%- if wanted is none -%}
            {{ exceptions.raise_compiler_error(feed_name ~ ': the period is day or month, not ' ~ unit ~ '.') }}
        {%- endif -%}
        {%- if wanted | reject('in', groups) | list and not (unit == 'day' and 'business_date' in groups) -%}
            {{ exceptions.raise_compiler_error(
                feed_name ~ ': a period of a ' ~ unit ~ ' needs a business_key with the named groups '
                ~ wanted | join(', ') ~ (', or business_date' if unit == 'day' else '') ~ '.'
            ) }}
        {%- endif -%}
        {{ return({'unit': unit, 'groups': groups}) }}
    {%- endfor -%}
    {{ return(none) }}
{%- endmacro %}

{# First day of the period as YYYY-MM-DD, from the parts of a business key such as `month=May year=2024`. #}
{% macro period_text(period) -%}
    {%- if period.unit == 'day' and 'business_date' in period.groups -%}
        {%- set day = business_key_part('business_date') -%}
        case
            when {{ matches(day, '^[0-9]{8}$') }}
                then substring({{ day }}, 1, 4) || '-' || substring({{ day }}, 5, 2) || '-' || substring({{ day }}, 7, 2)
            else {{ day }}
        end
    {%- else -%}
        {%- set month = business_key_part('month') -%}
        {{ business_key_part('year') }}
        || '-'
        || case
            {%- for names in ['jan uary', 'feb ruary', 'mar ch', 'apr il', 'may ', 'jun e', 'jul y', 'aug ust', 'sep tember',
                'oct ober', 'nov ember', 'dec ember'] %}
            when lower({{ month }}) in ('{{ names.split(" ")[0] }}', '{{ names | replace(" ", "") }}') then '{{ '%02d' % loop.index }}'
            {%- endfor %}
            when {{ month }} like '_' then '0' || {{ month }}
            else {{ month }}
        end
        || '-'
        || {% if period.unit == 'month' %}'01'{% else -%}
        case when {{ business_key_part('day') }} like '_' then '0' else '' end || {{ business_key_part('day') }}
        {%- endif %}
    {%- endif -%}
{%- endmacro %}

{% macro business_key_part(group) -%}
    split_part(split_part(' ' || business_key, ' {{ group }}=', 2), ' ', 1)
{%- endmacro %}
