do $$ begin
    if not exists (select from pg_roles where rolname = {role_text}) then
        create role {role} nologin;
    end if;
    if not pg_has_role(current_user, {role_text}, 'usage') then
        grant {role} to current_user;
    end if;
end $$;
grant connect on database {database} to {role};
