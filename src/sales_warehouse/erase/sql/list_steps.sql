select
    erasure_id, token, erased_at, erased_by, found_by, cardinality(file_ids) as files,
    (
        select jsonb_agg(
            jsonb_build_object('table', table_name, 'column', column_name, 'rows', rows_masked)
            order by table_name, column_name
        )
        from ledger.erased_columns where erased_columns.erasure_id = erasures.erasure_id
    ) as erased,
    step, case when done_at is null then 'open' else 'done' end as status, done_at, done_by, detail
from ledger.erasures inner join ledger.erasure_steps using (erasure_id)
where %(erasure_id)s is null or erasure_id = %(erasure_id)s
order by erasure_id, array_position(array['vacuum', 'logs', 'inbox', 'other_logs', 'exports', 'backups'], step)
