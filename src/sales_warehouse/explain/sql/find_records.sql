select distinct _file_id, _row_number, {item} as item_number from {table} where (
{condition}
) order by _file_id, _row_number, item_number limit {limit}
