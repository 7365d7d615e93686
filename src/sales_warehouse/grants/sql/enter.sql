grant usage on schema {schema} to {reader};
