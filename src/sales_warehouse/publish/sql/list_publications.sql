select
    publications.publication,
    case
        when publications.pruned_at is not null then 'pruned'
        when publications.publication = (select publication from ledger.current_publication) then 'current'
        else 'kept'
    end as state,
    publications.published_at,
    publications.published_by,
    publications.upper_event_id,
    publications.files,
    sum(published_marts.row_count)::bigint as rows,
    sum(published_marts.rows_added)::bigint as rows_added,
    sum(published_marts.rows_closed)::bigint as rows_closed,
    publications.invocation_id
from ledger.publications
inner join ledger.published_marts using (publication)
group by publications.publication
order by publications.publication desc
limit %s
