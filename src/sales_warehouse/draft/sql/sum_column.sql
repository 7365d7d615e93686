select count({1}) as rows, {2} as total, min({1}) as least, max({1}) as greatest
from {0}
where row_status = 'accepted'
