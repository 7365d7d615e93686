-- the columns of a staging view that can be summed or ordered by time
select column_name, data_type in ('numeric', 'bigint', 'integer') as is_number
from information_schema.columns
where
    table_schema = 'staging' and table_name = %s and column_name not in ('_file_id', '_row_number', '_item_number')
    and (data_type in ('numeric', 'bigint', 'integer', 'date') or data_type like 'timestamp%%')
order by ordinal_position
