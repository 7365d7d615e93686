select {columns} from {raw_table} where _file_id = %s order by {order}
