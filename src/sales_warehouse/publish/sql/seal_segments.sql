-- Seal open segments: give each its event, so that builds see it and it never changes again. A segment whose commit is
-- writing stays open when it still does after the patience; the next build sees it. Return the number of sealed ones.
-- Builds of any login call it; it runs with the rights of the ledger's owner.
create or replace function ledger.seal_segments(patience interval default '3 s') returns bigint
language plpgsql security definer set search_path = pg_catalog
as $$
declare
    deadline constant timestamptz := clock_timestamp() + patience;
    locked bigint [];
begin
    loop
        select array_agg(segment_file_id order by segment_file_id) into locked from (
            select segment_file_id from ledger.stream_positions
            where segment_file_id is not null for update skip locked
        ) as free;
        exit when clock_timestamp() > deadline
            or coalesce(cardinality(locked), 0) = (
                select count(*) from ledger.stream_positions where segment_file_id is not null
            );
        perform pg_sleep(0.05);
    end loop;
    return ledger.seal(locked);
end $$;

-- Seal these segments; the caller has locked their rows in stream_positions. The ids of events are given out in the order
-- of commits: see ledger/record_files.py.
create or replace function ledger.seal(segments bigint []) returns bigint
language plpgsql security definer set search_path = pg_catalog
as $$
begin
    if coalesce(cardinality(segments), 0) = 0 then
        return 0;
    end if;
    -- before the positions are written: who prepares the ledger locks the files first
    lock table ledger.files in row exclusive mode;
    perform pg_advisory_xact_lock(0x5A1E0002);
    update ledger.stream_positions set segment_file_id = null where segment_file_id = any(segments);
    insert into ledger.file_events (file_id, feed, kind)
    select file_id, feed, 'activated' from ledger.files
    where file_id = any(segments) and status = 'open' order by file_id;
    update ledger.files set status = 'active', finished_at = greatest(clock_timestamp(), started_at)
    where file_id = any(segments) and status = 'open';
    return cardinality(segments);
end $$;
