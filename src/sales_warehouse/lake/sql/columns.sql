select attname, format_type(atttypid, null), attnotnull
from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped
order by attnum
