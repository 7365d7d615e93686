{# Post-hook of live.daily: the function that takes in what came since the last fill. It runs with the rights of the owner of
   `live`, so that the loader may call it. #}
{% macro make_fill() -%}
    {%- set keys = ['order_date', 'source_system', 'country', 'currency'] -%}
    {%- set key_list = keys | join(', ') -%}
    {%- set daily_columns = columns_of('agg_sales_daily') -%}
    {%- set line_columns = columns_of('fct_sales_lines') | join(', ') -%}
    {#- the key of agg_sales_daily is never NULL -#}
    {%- set key_values = "order_date, source_system, coalesce(country, 'unknown'), currency" -%}
    create or replace function live.fill(out as_of timestamp with time zone, out lines_came bigint)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
    -- plans for the very files and days: a filter on files reaches the raw tables
    set plan_cache_mode = force_custom_plan
    as $fill$
    #variable_conflict use_column
    declare
        this_publication constant bigint := {{ latest_publication() }};
        this_upper_event constant bigint := {{ latest_event() }};
        this_last_event constant bigint := (select coalesce(max(event_id), 0) from ledger.file_events);
        this_fill bigint;
        last_publication bigint;
        last_event bigint;
        this_segment live.files;
        these_files bigint [];
        new_count bigint;
        -- files whose lines in live.lines are not as they were, and files whose published lines are not
        gone_files bigint [];
        left_files bigint [];
        -- days that are computed anew, and those of them whose figures are not as published
        these_days date [] := '{}';
        touched_days date [] := '{}';
    begin
        if current_setting('transaction_isolation') = 'read committed' then
            raise exception 'live.fill() must see one state of the ledger and the raw tables.'
            using errcode = 'invalid_transaction_state', hint = 'Begin with: begin isolation level repeatable read';
        end if;
        if not pg_try_advisory_xact_lock(hashtextextended('live.fill', 0)) then
            return;
        end if;
        -- fails when another session filled after the snapshot of this one was taken
        update live.state set fill_number = fill_number + 1
        returning fill_number, publication, event_id into this_fill, last_publication, last_event;
        if last_publication is null then
            delete from live.files;
            delete from live.lines;
        elsif last_publication <> this_publication then
            delete from live.files as filled
            where filled.event_id <= this_upper_event or (filled.event_id is null and exists (
                select from ledger.file_events as sealed
                where sealed.file_id = filled.file_id
                and sealed.event_id > last_event and sealed.event_id <= this_upper_event
            ));
            delete from live.lines where _file_id not in (select file_id from live.files);
        end if;
        if last_publication is distinct from this_publication then
            delete from live.days;
            delete from live.daily;
            delete from live.orders;
            delete from live.customers;
        end if;
        update live.state
        set publication = this_publication, event_id = this_last_event, filled_at = transaction_timestamp();

        -- Which files changed.
        with events as (
            select file_id, max(event_id) as event_id, count(*) = 1 and min(kind) = 'activated' as is_activated_once
            from ledger.file_events inner join ledger.files using (file_id)
            where
                event_id > this_upper_event and kind in ('activated', 'deactivated', 'replayed')
                and files.status <> 'open'
            group by file_id
            union all
            select file_id, null, false from ledger.files where status = 'open'
        ),
        changed as (
            select
                file_id, events.event_id, files.status in ('active', 'open') as is_active,
                filled.file_id is not null as was_filled,
                -- an open segment was sealed: its rows are as they were
                coalesce(filled.event_id is null and is_activated_once and files.status = 'active'
                    and filled.file_id is not null, false) as is_sealed,
                coalesce(filled.row_number_filled, 0) as row_number_filled
            from events
            inner join ledger.files using (file_id)
            left join live.files as filled using (file_id)
            where filled.file_id is null or filled.event_id is distinct from events.event_id
        ),
        written as (
            insert into live.files (file_id, event_id, is_active, is_complete, row_number_filled)
            select file_id, event_id, is_active, false, case when is_sealed then row_number_filled else 0 end from changed
            on conflict (file_id) do update set
                event_id = excluded.event_id,
                is_active = excluded.is_active,
                is_complete = false,
                row_number_filled = excluded.row_number_filled
        )
        select
            coalesce(array_agg(file_id) filter (where was_filled and not is_sealed), '{}'),
            coalesce(array_agg(file_id) filter (where event_id is not null and not is_sealed), '{}')
        into gone_files, left_files
        from changed;
        if last_publication is distinct from this_publication then
            touched_days := array(select distinct order_date from live.lines);
            left_files := array(select file_id from live.files where event_id is not null);
        end if;
        touched_days := array(
            select unnest(touched_days)
            union
            select order_date from live.lines where _file_id = any(gone_files)
            union
            select order_date from {{ latest('fct_sales_lines') }} where _file_id = any(left_files)
        );
        delete from live.lines where _file_id = any(gone_files);

        -- The lines of new files, and the new lines of segments.
        these_files := array(
            select file_id from live.files where is_active and not is_complete and row_number_filled = 0
        );
        lines_came := 0;
        if cardinality(these_files) > 0 then
            insert into live.lines ({{ line_columns }}, _fill_number)
            select {{ line_columns }}, this_fill from live.priced_lines where _file_id = any(these_files);
            get diagnostics lines_came = row_count;
        end if;
        for this_segment in
            select * from live.files where is_active and not is_complete and row_number_filled > 0 order by file_id
        loop
            insert into live.lines ({{ line_columns }}, _fill_number)
            select {{ line_columns }}, this_fill from live.priced_lines
            where _file_id = this_segment.file_id and _row_number > this_segment.row_number_filled;
            get diagnostics new_count = row_count;
            lines_came := lines_came + new_count;
        end loop;
        update live.files set row_number_filled = came.last_row_number
        from (
            select _file_id, max(_row_number) as last_row_number
            from live.lines where _fill_number = this_fill group by _file_id
        ) as came
        where files.file_id = came._file_id;
        update live.files set is_complete = true where event_id is not null and not is_complete;
        if lines_came > 50000 then
            analyze live.lines;
        end if;

        -- Days that are not in live.daily yet, or that lost lines, are computed anew; to the others the new lines are added.
        touched_days := array(
            select unnest(touched_days)
            union
            select order_date from live.lines
            where _fill_number = this_fill and order_date not in (select order_date from live.days)
        );
        these_days := array(
            select unnest(touched_days)
            union
            select current_date where current_date not in (select order_date from live.days)
        );
        insert into live.daily as days ({{ daily_columns | join(', ') }}, customer_count)
        select {{ daily_columns | join(', ') | replace('order_count', '0') }}, 0
        from (
            {{ sql_of('agg_sales_daily', {'fct_sales_lines':
                '(select * from live.lines where _fill_number = this_fill and order_date <> all(these_days)) as new_lines'}) }}
        ) as came
        on conflict ({{ key_list }}) do update set
            {%- for column in daily_columns if column not in keys and column != 'order_count' %}
            {{ column }} = coalesce(days.{{ column }} + excluded.{{ column }}, days.{{ column }}, excluded.{{ column }})
            {{- ',' if not loop.last }}
            {%- endfor %};
        {%- for counted in [
            {'table': 'orders', 'key': 'order_id', 'condition': 'true'},
            {'table': 'customers', 'key': 'customer_key', 'condition': 'customer_id is not null'},
        ] %}
        with new_keys as (
            insert into live.{{ counted.table }}
            select distinct {{ key_values }}, {{ counted.key }}
            from live.lines
            where _fill_number = this_fill and order_date <> all(these_days) and {{ counted.condition }}
            on conflict do nothing
            returning {{ key_list }}
        )
        update live.daily as days
        set {{ counted.table[:-1] }}_count = days.{{ counted.table[:-1] }}_count + counted.new_count
        from (select {{ key_list }}, count(*) as new_count from new_keys group by {{ key_list }}) as counted
        where {% for key in keys %}days.{{ key }} = counted.{{ key }}{{ ' and ' if not loop.last }}{% endfor %};
        delete from live.{{ counted.table }} where order_date = any(these_days);
        insert into live.{{ counted.table }}
        select distinct {{ key_values }}, {{ counted.key }}
        from live.order_lines
        where order_date = any(these_days) and {{ counted.condition }};
        {%- endfor %}
        update live.days set is_touched = true
        where not is_touched and order_date in (select order_date from live.lines where _fill_number = this_fill);
        insert into live.days select unnest(these_days), false on conflict do nothing;
        update live.days set is_touched = true where not is_touched and order_date = any(touched_days);
        delete from live.daily where order_date = any(these_days);
        insert into live.daily ({{ daily_columns | join(', ') }}, customer_count)
        select days.{{ daily_columns | join(', days.') }}, coalesce(counted.customer_count, 0)
        from (
            {{ sql_of('agg_sales_daily', {'fct_sales_lines':
                '(select * from live.order_lines where order_date = any(these_days)) as lines_of_days'}) }}
        ) as days
        left join (
            select {{ key_list }}, count(*) as customer_count
            from live.customers where order_date = any(these_days) group by {{ key_list }}
        ) as counted using ({{ key_list }});
        as_of := transaction_timestamp();
    end $fill$;
    revoke all on function live.fill() from public;
    do $$ begin
        if exists (select from pg_roles where rolname = current_database() || '_loader') then
            execute format('grant usage on schema live to %I', current_database() || '_loader');
            execute format('grant execute on function live.fill() to %I', current_database() || '_loader');
        end if;
    end $$
{%- endmacro %}
