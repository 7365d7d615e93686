select
    count(*) filter (where before._is_there is null),
    count(*) filter (where after._is_there is null),
    {changed_rows_and_values}
{joined}
