select mart, max(until_publication)
from ledger.history_tables
group by mart
having every(until_publication is not null)
and exists (
    select from pg_class where relnamespace = to_regnamespace('published') and relname = history_tables.mart
)
order by mart
