select _file_id, count(*), sum(net_amount) from {table} where _file_id in ({file_ids}) and (
{condition}
) group by _file_id
