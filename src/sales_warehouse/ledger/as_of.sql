-- Which publication readers see, and which one the session reads in published_as_of; runs after publications.sql.
create or replace view published.as_of as
select publication, published_at, upper_event_id, files
from ledger.publications
where publication = (select ledger.shown_publication());

create or replace view published_as_of.as_of as
select publication, published_at, upper_event_id, files
from ledger.publications
where publication = (select ledger.reading_publication());
