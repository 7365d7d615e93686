-- Asked of the catalogue: to_regclass needs the right to use the schema.
select
    has_schema_privilege('published', 'create') and has_schema_privilege('published_as_of', 'create')
    and not exists (
        select from pg_class
        where relnamespace = to_regnamespace('published') and relname = 'as_of' and not pg_has_role(relowner, 'usage')
    )
