-- Views that name the publication that readers see, and the publication that the session reads in published_as_of.
create or replace view published.as_of as
select publication, published_at, upper_event_id, files
from ledger.publications
where publication = (select ledger.shown_publication());

create or replace view published_as_of.as_of as
select publication, published_at, upper_event_id, files
from ledger.publications
where publication = (select ledger.reading_publication());

-- the comment of published.as_of itself is the digest of this script
comment on column published.as_of.publication is 'Number of the publication.';
comment on column published.as_of.published_at is 'When it was published.';
comment on column published.as_of.upper_event_id is 'Last event of the ledger that its build saw.';
comment on column published.as_of.files is 'Number of files whose rows it has.';

comment on view published_as_of.as_of is 'The publication that this session reads, one row: the setting warehouse.publication, else the current one.';
comment on column published_as_of.as_of.publication is 'Number of the publication.';
comment on column published_as_of.as_of.published_at is 'When it was published.';
comment on column published_as_of.as_of.upper_event_id is 'Last event of the ledger that its build saw.';
comment on column published_as_of.as_of.files is 'Number of files whose rows it has.';

-- What readers may know of the publications that are kept.
create or replace view published.publications as
select publication, published_at, upper_event_id, files, publication = (select ledger.shown_publication()) as is_current
from ledger.publications
where pruned_at is null;

comment on view published.publications is 'The publications that are kept, one row each.';
comment on column published.publications.publication is 'Number of the publication.';
comment on column published.publications.published_at is 'When it was published.';
comment on column published.publications.upper_event_id is 'Last event of the ledger that its build saw.';
comment on column published.publications.files is 'Number of files whose rows it has.';
comment on column published.publications.is_current is 'Whether readers see it.';

-- Return the files that are in one of two publications only, or changed between them, for readers, who have no rights on the
-- ledger. A delivery key with a removed and an added file was corrected.
create or replace function published_as_of.changed_files(before bigint, after bigint)
returns table (what text, feed text, delivery_key text, file_id bigint, uri text)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    with events as (
        select
            (select upper_event_id from ledger.publications where publication = before) as before_event,
            (select upper_event_id from ledger.publications where publication = after) as after_event
    ),
    was as (
        select active.file_id from events cross join ledger.active_files(before_event) as active (file_id)
    ),
    is_now as (
        select active.file_id from events cross join ledger.active_files(after_event) as active (file_id)
    ),
    changed as (
        select
            coalesce(was.file_id, is_now.file_id) as file_id,
            was.file_id is not null as was_there,
            is_now.file_id is not null as is_there
        from was full join is_now on is_now.file_id = was.file_id
        where was.file_id is null or is_now.file_id is null or exists (
            select from ledger.file_events cross join events
            where file_events.file_id = was.file_id and event_id > before_event and event_id <= after_event
            and kind in ('activated', 'deactivated', 'replayed')
        )
    )
    select
        case
            when was_there and is_there then 'replayed or restored'
            when count(*) filter (where was_there) over delivery > 0 and count(*) filter (where is_there) over delivery > 0
                then 'corrected'
            when is_there then 'came'
            else 'went'
        end, files.feed, files.delivery_key, files.file_id, files.uri
    from changed inner join ledger.files on files.file_id = changed.file_id
    window delivery as (partition by files.feed, files.delivery_key)
$$;
