do $$ begin
    if to_regclass({table_text}) is not null then
        execute format('revoke all on %s from %I', to_regclass({table_text}), {reader_text});
    end if;
end $$;
