(
    select array[length(kept)] || array(
        select length(replace(kept, digit::text, '')) from generate_series(1, 9) as digit order by digit
    )
    from regexp_replace(lower(concat_ws('', {0})), '[^[:alnum:]]|0', '', 'g') as kept
)
