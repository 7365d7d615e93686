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
