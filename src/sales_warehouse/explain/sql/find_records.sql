select distinct _file_id, _row_number from {table} where (
{condition}
) order by _file_id, _row_number limit {limit}
