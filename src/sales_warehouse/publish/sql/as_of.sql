-- Views that name the publication that readers see, and the publication that the session reads in published_as_of.
create or replace view published.as_of as
select publication, published_at, upper_event_id, files
from ledger.publications
where publication = (select ledger.shown_publication());

create or replace view published_as_of.as_of as
select publication, published_at, upper_event_id, files
from ledger.publications
where publication = (select ledger.reading_publication());
