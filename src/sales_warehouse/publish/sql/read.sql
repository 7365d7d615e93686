-- Return the rows of a mart in a publication, without a setting of the session, which a pooler does not keep. The mart is named
-- by a NULL of its type: select * from published_as_of.read(null::published_as_of.fct_sales_lines, 7). It runs with the
-- rights of its caller, and computes all rows of the mart before the query looks at them.
create or replace function published_as_of.read(mart anyelement, publication bigint) returns setof anyelement
language plpgsql stable
as $$
declare
    earlier constant text := current_setting('warehouse.publication', true);
    its_view constant text := pg_typeof(mart)::text;
begin
    if not exists (
        select from pg_type where oid = pg_typeof(mart) and typnamespace = 'published_as_of'::regnamespace
    ) then
        raise exception '% is no mart of published_as_of.', its_view
        using errcode = 'invalid_parameter_value',
            hint = 'select * from published_as_of.read(null::published_as_of.fct_sales_lines, 7)';
    end if;
    perform set_config('warehouse.publication', coalesce(publication::text, ''), true);
    return query execute 'select * from ' || its_view;
    perform set_config('warehouse.publication', coalesce(earlier, ''), true);
end $$;
