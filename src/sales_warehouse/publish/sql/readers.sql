-- Functions that the views of readers call. They run with the rights of their owner, so that readers need no rights on the
-- ledger. The views call them once per query, not once per row.

-- Return the publication that readers see; 0 before the first one.
create or replace function ledger.shown_publication() returns bigint
language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
    select coalesce((select publication from ledger.current_publication), 0)
$$;

-- Return the publication that a rollback leaves, or the current one; 0 before the first one. The schema `live` adds to it.
create or replace function ledger.latest_publication() returns bigint
language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
    select coalesce((select latest_publication from ledger.current_publication), 0)
$$;

-- Return the publication that this session reads in `published_as_of`: the value of warehouse.publication if it is set, or
-- the current publication.
create or replace function ledger.reading_publication() returns bigint
language plpgsql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
declare
    wanted constant text := nullif(current_setting('warehouse.publication', true), '');
    chosen bigint;
begin
    if wanted is null then
        return ledger.shown_publication();
    end if;
    if not pg_input_is_valid(wanted, 'bigint') then
        raise exception 'warehouse.publication is %, which is no number of a publication.', quote_literal(wanted)
        using errcode = 'invalid_parameter_value', hint = 'reset warehouse.publication; reads the current one.';
    end if;
    chosen := wanted;
    if not exists (select from ledger.publications where publication = chosen and pruned_at is null) then
        raise exception 'Publication % is not kept.', chosen
        using errcode = 'invalid_parameter_value', hint = 'reset warehouse.publication; reads the current one.';
    end if;
    return chosen;
end $$;

-- Return the number it gets, or NULL when it is the latest publication and readers see it: then the open rows are exactly
-- the rows of that publication.
create or replace function ledger.earlier_publication(reading bigint) returns bigint
language sql stable parallel safe security definer set search_path = pg_catalog, pg_temp
as $$
    select nullif(
        reading,
        (select latest_publication from ledger.current_publication where publication = latest_publication)
    )
$$;

-- The operator <= with another estimate. For <= with a number that the planner does not know, it expects a third of the rows
-- and plans joins for so few; here nearly all rows qualify.
do $$ begin
    if to_regoperator('ledger.<=~(bigint, bigint)') is null then
        create operator ledger.<=~ (
            leftarg = bigint, rightarg = bigint, function = int8le, negator = operator(ledger.>~),
            restrict = regexnesel, join = regexnejoinsel
        );
        create operator ledger.>~ (
            leftarg = bigint, rightarg = bigint, function = int8gt, negator = operator(ledger.<=~),
            restrict = regexeqsel, join = regexeqjoinsel
        );
    end if;
end $$;
