-- What readers would lose by a publication. A build that takes something from readers is not published, until a person accepts
-- it or the date comes that the project declared in an earlier publication.

-- Return whether a column of another type does not hold all that it held: no implicit cast, fewer decimal places, a shorter
-- text, or floating point numbers in place of exact ones.
create or replace function ledger.is_narrower(was text, becomes text) returns boolean
language sql stable
as $$
    select case
        when was = becomes then false
        when old.oid = new.oid or (old.typcategory = 'S' and new.typcategory = 'S')
            -- the last number in parentheses is the number of characters or of decimal places
            then coalesce(cast(substring(becomes from '(\d+)\)') as bigint), 1e9)
                < coalesce(cast(substring(was from '(\d+)\)') as bigint), 1e9)
        when new.typname in ('float4', 'float8') and old.typname <> 'float4' then true
        else not exists (
            select from pg_cast where castsource = old.oid and casttarget = new.oid and castcontext = 'i'
        )
    end
    from pg_type as old, pg_type as new
    where old.oid = was::regtype and new.oid = becomes::regtype
$$;

-- Return the marts of the latest publication as the project declared them.
create or replace function ledger.declared_marts() returns setof jsonb
language sql stable
as $$
    select jsonb_array_elements(green_builds.marts)
    from ledger.current_publication
    inner join ledger.publications on publications.publication = current_publication.latest_publication
    inner join ledger.green_builds using (invocation_id)
$$;

-- Return what readers would lose by the publication of a build, one row per mart or column: what becomes of it, the exposures
-- that read it, and whether its deprecation date is reached. Only a date that the latest publication had already counts.
create or replace function ledger.find_losses(build ledger.green_builds)
returns table (lost text, becomes text, exposures text, is_due boolean)
language sql stable
as $$
    with shown as (
        select
            history.mart, history.columns, declared.declared as was, made.made as now,
            coalesce(declared.declared -> 'exposures', '[]') || coalesce(made.made -> 'exposures', '[]') as exposures
        from ledger.history_tables as history
        left join ledger.declared_marts() as declared (declared) on declared.declared ->> 'name' = history.mart
        left join jsonb_array_elements(build.marts) as made (made) on made.made ->> 'name' = history.mart
        where history.until_publication is null
    ),
    losses as (
        select shown.*, null as column_name, coalesce('renamed to ' || (
            select string_agg(made ->> 'name', ', ' order by made ->> 'name') from jsonb_array_elements(build.marts) as made
            where made -> 'renamed_from' ? shown.mart
        ), 'no mart any more') as becomes
        from shown where now is null
        union all
        select shown.*, one ->> 'name', case
            when attname is not null
                then format('%s becomes %s', one ->> 'type', format_type(atttypid, atttypmod))
            else coalesce('renamed to ' || (
                select string_agg(name, ', ' order by name) from jsonb_each(shown.now -> 'promises') as promises (name, facts)
                where facts -> 'renamed_from' ? (one ->> 'name')
            ), 'no column any more')
        end
        from shown
        cross join jsonb_array_elements(shown.columns) as one
        left join pg_attribute
            on attrelid = to_regclass(format('%I.%I', shown.now ->> 'schema', shown.now ->> 'name'))
            and attname = one ->> 'name' and attnum > 0 and not attisdropped
        where now is not null
        and (attname is null or ledger.is_narrower(one ->> 'type', format_type(atttypid, atttypmod)))
    )
    select
        concat_ws('.', mart, column_name), losses.becomes,
        (
            select string_agg(distinct format('%s (%s)', exposure ->> 'name', exposure ->> 'owner'), ', ')
            from jsonb_array_elements(losses.exposures) as exposure
            -- an exposure that lists its columns of the mart reads no other column
            where column_name is null or jsonb_typeof(exposure -> 'columns') is distinct from 'array'
            or exposure -> 'columns' ? column_name
        ),
        coalesce(cast(was ->> 'deprecation_date' as timestamptz) <= current_timestamp, false)
        or coalesce(cast(was #>> array['promises', column_name, 'deprecation_date'] as timestamptz) <= current_timestamp, false)
    from losses
$$;

-- Raise when readers would lose something by the publication of a build that no person accepted.
create or replace function ledger.refuse_losses(build ledger.green_builds) returns void
language plpgsql
as $$
declare
    named text;
begin
    if coalesce(nullif(current_setting('warehouse.accept_breaking', true), ''), 'off')::boolean then
        return;
    end if;
    select string_agg(
        format(E'\n  %s: %s', lost, becomes) || coalesce('; read by ' || exposures, ''), '' order by lost
    ) into named
    from ledger.find_losses(build) where not is_due;
    if named is not null then
        raise exception 'The build is green, but readers would lose:%', named
        using hint = 'To publish it all the same: warehouse publish --accept-breaking';
    end if;
end $$;

-- Return the number it gets, or raise when the mart was removed by that publication or an earlier one.
create or replace function ledger.publication_with(mart_name text, reading bigint) returns bigint
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
declare
    until bigint;
    successor text;
begin
    select max(until_publication) into until from ledger.history_tables where mart = mart_name;
    if reading < until then
        return reading;
    end if;
    select string_agg(declared ->> 'name', ', ' order by declared ->> 'name') into successor
    from ledger.declared_marts() as declared where declared -> 'renamed_from' ? mart_name;
    raise exception 'The mart % was removed by publication %. %', mart_name, until,
        coalesce('Read ' || successor || ' instead.', 'The project names no successor.')
    using errcode = 'undefined_table', hint = 'Publications before that one have it, in published_as_of.';
end $$;
