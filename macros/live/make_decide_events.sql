{# Post-hook of live.decided_records: the function with which live.fill() decides about the events of a fill, as a build does
   in get_incremental_by_event_key_sql. It reads what came, and finds all other records by their keys. #}
{% macro make_decide_events() -%}
    {%- if not execute -%}
        {{ return('') }}
    {%- endif -%}
    {%- set built = graph.nodes['model.' ~ project_name ~ '.int_events__records_decided'] -%}
    {%- set columns = built.columns.keys() | list -%}
    {%- set column_list = columns | join(', ') -%}
    {%- set undecided = columns | reject('equalto', 'decision') | join(', ') -%}
    create or replace function live.decide_events(
        whole_files bigint [], growing_files bigint [], last_rows bigint [], gone_files bigint [], new_files bigint [],
        upper_event bigint
    ) returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan
    as $decide$
    #variable_conflict use_column
    declare
        -- the builds have decided about the events up to this one
        built_event constant bigint := coalesce((
            select event_id from {{ build_state('model_watermarks') }} where relation_name = '{{ built.relation_name }}'
        ), 0);
        -- files about which they may have decided otherwise than the publication says
        seen_files constant bigint [] := array(
            select distinct file_id from ledger.file_events
            where event_id > upper_event and event_id <= built_event and kind in ('activated', 'deactivated', 'replayed')
        );
        unknown_file bigint;
        least_row constant bigint := (select min(last_row) from unnest(last_rows) as rows (last_row));
    begin
        {%- for feed in feeds() if feed.events %}
        {%- set came = rows_of_fill()[graph.nodes[feed.rows_model].name] %}
        {%- set came_columns = graph.nodes[feed.staging_model].columns.keys() | reject('equalto', 'delivered_values') | join(', ') %}
        create temporary table {{ came }} on commit drop as
        select {{ came_columns }} from {{ feed.staging_relation }} where _file_id = any(whole_files);
        -- by the block range index, although the estimates are those of whole segments
        perform set_config('enable_seqscan', 'off', true);
        insert into {{ came }}
        select {{ came_columns }} from {{ feed.staging_relation }} where {{ is_new_of_growing_files() }};
        {%- endfor %}
        create temporary table came_records on commit drop as
        select {{ undecided }} from ({{ sql_of('int_events__records_decided', rows_of_fill(), is_undecided=true) }}) as came;
        perform set_config('enable_seqscan', 'on', true);
        create temporary table touching_records on commit drop as
        select feed, event_key, state_key, _file_id as touched_by from came_records
        union all
        select feed, event_key, state_key, _file_id from live.decided_records where _file_id = any(gone_files)
        union all
        select feed, event_key, state_key, _file_id from {{ built.relation_name }} where _file_id = any(gone_files);

        -- Of a file that was published, and left before a build that is not published, the keys are known to a
        -- fill in between alone. Then all decisions that the builds changed are found by comparing with what is published.
        select max(file_id) into unknown_file
        from (
            select distinct on (file_id) file_id, event_id, kind
            from ledger.file_events
            where
                file_id = any(new_files) and event_id > upper_event
                and kind in ('activated', 'deactivated', 'replayed')
            order by file_id, event_id
        ) as first_events
        where kind <> 'activated' and event_id <= built_event;
        if unknown_file is not null then
            insert into touching_records
            select known.feed, known.event_key, known.state_key, unknown_file
            from {{ built.relation_name }} as known
            left join (
                select distinct _file_id, _row_number from {{ latest('fct_sales_lines') }}
            ) as published using (_file_id, _row_number)
            where
                (known.decision = 'counted') <> (published._file_id is not null)
                and known._file_id not in (select file_id from live.files);
        end if;

        create temporary table changed_events on commit drop as
        select feed, event_key, array_agg(distinct touched_by) as touched_by
        from touching_records group by feed, event_key;
        analyze changed_events;
        perform set_config('enable_seqscan', 'off', true);
        -- by the index on the keys; a scan would cost what was ever sent
        create temporary table known_records on commit drop as
        {{ known_records(columns, 'event_key') }};
        create temporary table changed_states on commit drop as
        select feed, state_key, array_agg(distinct touched_by) as touched_by
        from (
            select feed, state_key, touched_by from touching_records
            union all
            select known.feed, known.state_key, unnest(changed.touched_by)
            from known_records as known inner join changed_events as changed using (feed, event_key)
        ) as touching
        where state_key is not null
        group by feed, state_key;
        analyze changed_states;
        insert into known_records
        {{ known_records(columns, 'state_key') }};
        perform set_config('enable_seqscan', 'on', true);
        create temporary table changed_records on commit drop as
        select
            {{ undecided }}, null::text as decision_before, null::boolean as known_repeat, false as was_overridden,
            null::bigint [] as touched_before
        from came_records
        union all
        select {{ undecided }}, decision, known_repeat, was_overridden, touched_before from known_records;
        create temporary table redecided on commit drop as
        select
            *,
            case
                -- an event in one file alone, which no publication has in part
                when decision_before = 'counted' and decision = 'counted' and not was_overridden
                    then cardinality(touched_by) > 1 or touched_by && seen_files
                else true
            end as is_overridden
        from (
            select
                decided.*,
                nullif(array(
                    select unnest(events.touched_by) union select unnest(states.touched_by) union select unnest(touched_before)
                    except select _file_id
                ), '{}') as touched_by
            from (
                {{ decide_events('changed_records', known_repeat='known_repeat') }}
            ) as decided
            left join changed_events as events using (feed, event_key)
            left join changed_states as states using (feed, state_key)
        ) as touched;
        analyze redecided (_file_id, _row_number, decision, decision_before, is_overridden, was_overridden);
        delete from live.decided_records where _file_id = any(gone_files);
        insert into live.decided_records ({{ column_list }}, touched_by, is_overridden)
        select {{ column_list }}, touched_by, is_overridden from redecided where decision_before is null;
        insert into live.decided_records ({{ column_list }}, touched_by, is_overridden)
        select {{ column_list }}, touched_by, is_overridden from redecided where decision_before is not null
        on conflict (_file_id, _row_number) do update set
            decision = excluded.decision, touched_by = excluded.touched_by, is_overridden = excluded.is_overridden;
        if (select count(*) from redecided) > 50000 then
            analyze live.decided_records (_file_id, _row_number, feed, event_key, state_key, decision);
        end if;
        drop table came_records, touching_records, changed_events, changed_states, known_records, changed_records;
    end $decide$;
    revoke all on function live.decide_events(bigint [], bigint [], bigint [], bigint [], bigint [], bigint) from public
{%- endmacro %}

{# Whether a row came to an open segment after the last fill: `last_rows` are the last ones of before, in the order of
   `growing_files`. The condition on `least_row`, the least of them, is for the block range index. #}
{% macro is_new_of_growing_files() -%}
    _file_id = any(growing_files) and _row_number > least_row
    and _row_number > last_rows[array_position(growing_files, _file_id)]
{%- endmacro %}

{# The records with a changed key that did not come in this fill: those of former fills, and of the builds those of files that
   did not change. Two queries, so that an index finds the keys in each. #}
{% macro known_records(columns, key) -%}
    {%- set known_columns = 'known.' ~ columns | join(', known.') -%}
    {%- set is_changed = '(known.feed, known.' ~ key ~ ') in (select feed, ' ~ key ~ ' from '
        ~ ('changed_events' if key == 'event_key' else 'changed_states') ~ ')' -%}
    {%- if key == 'state_key' -%}
        {%- set is_changed = is_changed ~ ' and not exists (select from changed_events as changed'
            ~ ' where changed.feed = known.feed and changed.event_key = known.event_key)' -%}
    {%- endif -%}
    {#- the other sendings of an unchanged event are not looked for: its record stays repeated, or not -#}
    {%- set known_repeat = "known.decision = 'repeated'" if key == 'state_key' else 'cast(null as boolean)' -%}
    select
        {{ known_columns }}, {{ known_repeat }} as known_repeat, known.is_overridden as was_overridden,
        known.touched_by as touched_before
    from live.decided_records as known
    where {{ is_changed }} and known._file_id <> all(gone_files)
    union all
    select {{ known_columns }}, {{ known_repeat }}, false, cast(null as bigint [])
    from {{ graph.nodes['model.' ~ project_name ~ '.int_events__records_decided'].relation_name }} as known
    where
        {{ is_changed }}
        and not exists (select from live.files where files.file_id = known._file_id)
        and not exists (
            select from live.decided_records as decided
            where decided._file_id = known._file_id and decided._row_number = known._row_number
        )
{%- endmacro %}
