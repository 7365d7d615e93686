case
    when btrim({0}, E' \t\r\n') ~ '^[-+]?(0|[1-9][0-9]{{0,40}})([.][0-9]{{1,40}})?$'
        then trim_scale(btrim({0}, E' \t\r\n')::numeric)::text
    else nullif(btrim({0}, E' \t\r\n'), '')
end
