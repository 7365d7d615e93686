create temporary table checked_rows on commit drop as
select * from {}
