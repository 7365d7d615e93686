-- Which publication the session reads; runs after publications.sql.
create or replace view published.as_of as
select publication, published_at, upper_event_id, files
from ledger.publications
where publication = (select ledger.reading_publication());
