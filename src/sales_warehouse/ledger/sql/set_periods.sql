update ledger.files set period_start_date = first_day, period_end_date = last_day
from (values %s) as periods (id, first_day, last_day) where file_id = id
