select count({0}) as rows, {1} as total, min({0}) as least, max({0}) as greatest
from checked_rows
where row_status = 'accepted'
