with
one as materialized ({one}),
other as materialized ({other})
select
    (select count(*) from one) = (select count(*) from other)
    and not exists (select * from one except all select * from other)
