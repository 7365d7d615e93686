grant usage on schema {schema} to {reader};
grant select on all tables in schema {schema} to {reader};
alter default privileges in schema {schema} grant select on tables to {reader};
alter default privileges for role {owner} in schema {schema} grant select on tables to {reader};
