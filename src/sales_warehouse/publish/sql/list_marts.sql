select mart, row_count, rows_added, rows_closed, compared, seconds, totals
from ledger.published_marts where publication = %s order by mart
