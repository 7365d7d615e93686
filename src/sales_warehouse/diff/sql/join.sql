-- Both relations beside each other. The key is compared as one row, in which NULL equals NULL: column by column it would
-- not, and `is not distinct from` cannot be hashed.
from (select before.*, true as _is_there, row({key_before}) as _key from {before} as before) as before
full outer join (select after.*, true as _is_there, row({key_after}) as _key from {after} as after) as after
    on before._key = after._key
