"""Read the publications for people."""

from psycopg2.extensions import connection as Connection

from sales_warehouse.ledger.read_ledger import Page, fetch_page
from sales_warehouse.ledger.transaction import transaction

_PUBLICATIONS = """
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
"""

_MARTS = """
select mart, row_count, rows_added, rows_closed, compared, seconds, totals
from ledger.published_marts where publication = %s order by mart
"""


def read_publications(connection: Connection, limit: int | None = None) -> Page:
    """Return the publications, the newest last; `limit` keeps the newest."""
    with transaction(connection) as cursor:
        cursor.execute("select count(*) from ledger.publications")
        [(count,)] = cursor.fetchall()
        cursor.execute(_PUBLICATIONS, (limit,))
        page = fetch_page(cursor)
    return Page(page.columns, page.rows[::-1], count)


def read_published_marts(connection: Connection, publication: int) -> Page:
    """Return what a publication changed, one row per mart."""
    with transaction(connection) as cursor:
        cursor.execute(_MARTS, (publication,))
        return fetch_page(cursor)


def find_publication(connection: Connection, invocation_id: str | None) -> int | None:
    """Return the publication of a build, or the current one when no build is given; None when there is none."""
    with transaction(connection) as cursor:
        if invocation_id is None:
            cursor.execute("select publication from ledger.current_publication")
        else:
            cursor.execute("select publication from ledger.publications where invocation_id = %s", (invocation_id,))
        row = cursor.fetchone()
    return int(row[0]) if row else None
