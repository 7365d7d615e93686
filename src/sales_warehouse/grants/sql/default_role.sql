alter role {login} in database {database} set role = {transformer_text};
