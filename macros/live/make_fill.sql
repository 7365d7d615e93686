{# Post-hook of live.daily: the function that takes in what came since the last fill. It runs with the rights of the owner of
   `live`, so that the loader may call it. Files of feeds whose lines are looked up are left to the builds: the lines of such a feed
   change with files of other feeds, too. #}
{% macro make_fill() -%}
    {%- set keys = ['order_date', 'source_system', 'country', 'currency'] -%}
    {%- set key_list = keys | join(', ') -%}
    {%- set daily_columns = columns_of('agg_sales_daily') -%}
    {%- set line_columns = columns_of('fct_sales_lines') | join(', ') -%}
    {#- the key of agg_sales_daily is never NULL -#}
    {%- set key_values = "order_date, source_system, coalesce(country, 'unknown') as country, currency" -%}
    {%- set counted_keys = [
        {'table': 'orders', 'key': 'order_id', 'condition': 'true'},
        {'table': 'customers', 'key': 'customer_key', 'condition': 'customer_id is not null'},
    ] -%}
    {%- set nullable_columns = nullable_columns_of('agg_sales_daily') -%}
    {%- set hidden = 'pg_temp.redecided where decision_before is not null and is_overridden and not was_overridden' -%}
    {%- set counted_again = "pg_temp.redecided where decision_before is not null and is_overridden and decision = 'counted'"
        ~ " and not (was_overridden and decision_before = 'counted')" -%}
    {#- the rows of feeds of events were cast for the decisions -#}
    {%- set came_lines = '(' ~ sql_over_decisions('fct_sales_lines', 'live.decided_records', rows_of_fill()) ~ ') as came' -%}
    {%- set left_out = feeds() | selectattr('looks_up') | map(attribute='name') | list -%}
    {%- set is_read = "files.feed not in ('" ~ left_out | join("', '") ~ "')" if left_out else 'true' -%}
    {%- set event_feeds = feeds() | selectattr('events') | map(attribute='name') | list -%}
    create or replace function live.fill(out as_of timestamp with time zone, out lines_came bigint)
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
    -- plans for the very files and days: a filter on files reaches the raw tables
    set plan_cache_mode = force_custom_plan
    -- one fill runs at a time; the first one sorts millions of rows
    set work_mem = '64MB'
    as $fill$
    #variable_conflict use_column
    declare
        this_publication constant bigint := {{ latest_publication() }};
        this_upper_event constant bigint := {{ latest_event() }};
        this_last_event constant bigint := (select coalesce(max(event_id), 0) from ledger.file_events);
        this_fill bigint;
        last_publication bigint;
        last_event bigint;
        whole_files bigint [];
        -- open segments with new rows, and their last rows of before
        growing_files bigint [];
        last_rows bigint [];
        least_row bigint;
        new_count bigint;
        -- files whose rows are not those of the last fill, and those of them that no fill has read
        gone_files bigint [];
        new_files bigint [];
        has_events boolean := false;
        -- of records of other files
        record_files bigint [];
        record_rows bigint [];
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
            delete from live.decided_records;
        elsif last_publication <> this_publication then
            delete from live.files as filled
            where filled.event_id <= this_upper_event or (filled.event_id is null and exists (
                select from ledger.file_events as sealed
                where sealed.file_id = filled.file_id
                and sealed.event_id > last_event and sealed.event_id <= this_upper_event
            ));
            delete from live.decided_records
            where
                _file_id not in (select file_id from live.files)
                and not coalesce(touched_by && array(select file_id from live.files), false);
            delete from live.lines
            where
                _file_id not in (select file_id from live.files)
                and not exists (
                    select from live.decided_records as decided
                    where decided._file_id = lines._file_id and decided._row_number = lines._row_number
                );
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
                and files.status <> 'open' and {{ is_read }}
            group by file_id
            union all
            select file_id, null, false from ledger.files where status = 'open' and {{ is_read }}
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
            coalesce(array_agg(file_id) filter (where not is_sealed), '{}'),
            coalesce(array_agg(file_id) filter (where not was_filled), '{}')
        into gone_files, new_files
        from changed;
        touched_days := array(
            select order_date from live.lines where _file_id = any(gone_files)
            union
            select order_date from {{ latest('fct_sales_lines') }} where _file_id = any(gone_files)
        );
        if last_publication is distinct from this_publication then
            {%- set overridden = 'live.decided_records where is_overridden and touched_by is not null' %}
            {{ list_records(overridden) }}
            touched_days := array(
                select unnest(touched_days)
                union
                select order_date from live.lines
                union
                select order_date from {{ latest('fct_sales_lines') }}
                where _file_id = any(array(select file_id from live.files where event_id is not null))
                union
                select order_date from {{ latest('fct_sales_lines') }}
                where {{ is_of(overridden) }}
            );
        end if;
        delete from live.lines where _file_id = any(gone_files);

        -- The files to read, and how far.
        select
            coalesce(array_agg(file_id) filter (where row_number_filled = 0), '{}'),
            coalesce(array_agg(file_id order by file_id) filter (where row_number_filled > 0), '{}'),
            coalesce(array_agg(row_number_filled order by file_id) filter (where row_number_filled > 0), '{}')
        into whole_files, growing_files, last_rows
        from live.files inner join ledger.files as entries using (file_id)
        where files.is_active and not files.is_complete and entries.records_read > files.row_number_filled;
        least_row := (select min(last_row) from unnest(last_rows) as rows (last_row));
        {%- if event_feeds %}

        -- Which events count. Lines that do not any more leave; of records of before that count now the lines come.
        has_events := exists (
            select from ledger.files
            where feed in ('{{ event_feeds | join("', '") }}')
            and file_id = any(whole_files || growing_files || gone_files)
        );
        if has_events then
            perform live.decide_events(whole_files, growing_files, last_rows, gone_files, new_files, this_upper_event);
            {{ list_records(hidden) }}
            create temporary table lost_lines on commit drop as
            select {{ line_columns }} from {{ latest('fct_sales_lines') }}
            where {{ is_of(hidden) }};
            with lost as (
                delete from live.lines
                where (_file_id, _row_number) in (
                    select _file_id, _row_number from pg_temp.redecided
                    where was_overridden and decision_before = 'counted' and decision <> 'counted'
                )
                returning {{ line_columns }}
            )
            insert into lost_lines select * from lost;
            touched_days := array(
                select unnest(touched_days)
                union
                select order_date from lost_lines where order_date not in (select order_date from live.days)
            );
            {{ list_records(counted_again) }}
        end if;
        {%- endif %}

        -- The lines of new files, and the new lines of segments.
        lines_came := 0;
        {%- set whole, growing = '_file_id = any(whole_files)', is_new_of_growing_files() %}
        {%- for one in [
            {'if': 'cardinality(whole_files) > 0 and not has_events', 'where': whole},
            {'if': 'cardinality(growing_files) > 0 and not has_events', 'where': growing},
        ] + ([
            {'if': 'cardinality(whole_files) > 0 and has_events', 'where': whole, 'reads': came_lines},
            {'if': 'cardinality(growing_files) > 0 and has_events', 'where': growing, 'reads': came_lines},
            {'if': 'has_events and cardinality(record_files) > 0', 'where': is_of(counted_again)},
        ] if event_feeds else []) %}
        if {{ one.if }} then
            {#- How many rows are accepted and count is not known to the planner, which expects few: for whole files it would go
                through all exchange rates for each row. -#}
            {%- set avoided = {growing: 'enable_seqscan', whole: 'enable_nestloop'}.get(one.where) %}
            {%- if avoided %}
            perform set_config('{{ avoided }}', 'off', true);
            {%- endif %}
            insert into live.lines ({{ line_columns }}, _fill_number)
            select {{ line_columns }}, this_fill from {{ one.reads or 'live.priced_lines' }} where {{ one.where }};
            get diagnostics new_count = row_count;
            lines_came := lines_came + new_count;
            {%- if avoided %}
            perform set_config('{{ avoided }}', 'on', true);
            {%- endif %}
        end if;
        {%- endfor %}
        update live.files set row_number_filled = entries.records_read
        from ledger.files as entries
        where files.file_id = entries.file_id and files.is_active and not files.is_complete
        and files.row_number_filled <> entries.records_read;
        update live.files set is_complete = true where event_id is not null and not is_complete;
        if lines_came > 50000 then
            analyze live.lines;
        end if;

        -- Days that are not in live.daily yet, or that lost the lines of a file, are computed anew. To the others the new lines are
        -- added, and lines of which the event does not count any more are taken off.
        touched_days := array(
            select unnest(touched_days)
            union
            select order_date from live.lines
            where _fill_number = this_fill and order_date not in (select order_date from live.days)
        );
        {%- if event_feeds %}
        if has_events then
            delete from lost_lines where order_date = any(touched_days);
            update live.days set is_touched = true
            where not is_touched and order_date in (select order_date from lost_lines);
            update live.daily as days set
                {%- for column in daily_columns if column not in keys and column != 'order_count' %}
                {{ column }} = days.{{ column }} - coalesce(lost.{{ column }}, 0){{ ',' if not loop.last }}
                {%- endfor %}
            from (
                {{ sql_of('agg_sales_daily', {'fct_sales_lines': 'lost_lines'}) }}
            ) as lost
            where {{ equal_keys('days', 'lost', keys) }};
            {%- if nullable_columns %}
            -- a sum that became 0 may be of no value at all, which is NULL
            touched_days := array(
                select unnest(touched_days)
                union
                select order_date from live.daily as days
                where order_date in (select order_date from lost_lines) and 0 in (days.{{ nullable_columns | join(', days.') }})
            );
            {%- endif %}
            {%- for counted in counted_keys %}
            with lost as (
                select {{ key_values }}, {{ counted.key }}, count(*) as line_count
                from lost_lines where {{ counted.condition }}
                group by 1, 2, 3, 4, 5
            ),
            written as (
                update live.{{ counted.table }} as counted set line_count = counted.line_count - lost.line_count
                from lost
                where {{ equal_keys('counted', 'lost', keys + [counted.key]) }}
                returning counted.*
            )
            update live.daily as days
            set {{ counted.table[:-1] }}_count = days.{{ counted.table[:-1] }}_count - gone.gone_count
            from (
                select {{ key_list }}, count(*) as gone_count from written where line_count = 0 group by {{ key_list }}
            ) as gone
            where {{ equal_keys('days', 'gone', keys) }};
            delete from live.{{ counted.table }}
            where line_count = 0 and {{ counted.key }} in (select {{ counted.key }} from lost_lines);
            {%- endfor %}
            delete from live.daily where line_count = 0;
        end if;
        {%- endif %}
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
        {%- for counted in counted_keys %}
        with came as (
            select {{ key_values }}, {{ counted.key }}, count(*) as line_count
            from live.lines
            where _fill_number = this_fill and order_date <> all(these_days) and {{ counted.condition }}
            group by 1, 2, 3, 4, 5
        ),
        written as (
            insert into live.{{ counted.table }} as counted ({{ key_list }}, {{ counted.key }}, line_count)
            select * from came
            on conflict ({{ key_list }}, {{ counted.key }}) do update set
                line_count = counted.line_count + excluded.line_count
            -- a row that was inserted, not updated, has no other transaction
            returning {{ key_list }}, xmax = 0 as is_new
        )
        update live.daily as days
        set {{ counted.table[:-1] }}_count = days.{{ counted.table[:-1] }}_count + counted.new_count
        from (
            select {{ key_list }}, count(*) as new_count from written where is_new group by {{ key_list }}
        ) as counted
        where {{ equal_keys('days', 'counted', keys) }};
        if cardinality(these_days) > 0 then
            delete from live.{{ counted.table }} where order_date = any(these_days);
            insert into live.{{ counted.table }} ({{ key_list }}, {{ counted.key }}, line_count)
            select {{ key_values }}, {{ counted.key }}, count(*)
            from live.order_lines
            where order_date = any(these_days) and {{ counted.condition }}
            group by 1, 2, 3, 4, 5
            -- as in the index, which is written a page at a time then
            order by {{ counted.key }};
        end if;
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

{# Whether a line is of one of these records, after list_records: the lists find the rows in block range indexes and below
   window functions. They are variables, because PostgreSQL makes a hash table of a constant only. #}
{% macro is_of(records) -%}
    _file_id = any(record_files) and _row_number = any(record_rows)
    and (_file_id, _row_number) in (select _file_id, _row_number from {{ records }})
{%- endmacro %}

{% macro list_records(records) -%}
    select coalesce(array_agg(distinct _file_id), '{}'), coalesce(array_agg(distinct _row_number), '{}')
    into record_files, record_rows
    from {{ records }};
{%- endmacro %}

{% macro equal_keys(one, other, keys) -%}
    {%- for key in keys %}{{ one }}.{{ key }} = {{ other }}.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
{%- endmacro %}

{# The columns of a model that may be NULL by its contract. #}
{% macro nullable_columns_of(model_name) -%}
    {%- set found = [] -%}
    {%- for column in (graph.nodes['model.' ~ project_name ~ '.' ~ model_name].columns.values() if execute else []) -%}
        {%- if 'not_null' not in (column.constraints or []) | map(attribute='type') | map('string') -%}
            {%- do found.append(column.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
