select row_status, row_issues, count(*) as rows
from checked_rows
group by row_status, row_issues
order by row_status, rows desc, row_issues
