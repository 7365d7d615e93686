select
    before._is_there,
    after._is_there,
    {differs_and_values}
{joined}
where before._is_there is null or after._is_there is null or {any_differs}
order by coalesce(after._key, before._key)
limit {limit}
