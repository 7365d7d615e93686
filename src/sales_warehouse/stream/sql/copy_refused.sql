-- Give the rejects and the skipped messages of a part of a segment to it; count those that are not replayed. The segment
-- keeps its own, as every superseded file does.
with rejected as (
    insert into ledger.rejects (
        file_id, row_number, line_number, byte_offset, reason, detail, raw, replayed_as, delivered_bytes, key, headers,
        sent_at
    )
    select
        %(new)s, row_number - %(before)s, line_number - %(before)s, byte_offset, reason, detail, raw, replayed_as,
        delivered_bytes, key, headers, sent_at
    from ledger.rejects
    where file_id = %(old)s and row_number > %(before)s and row_number <= %(up_to)s
    returning replayed_as
), skipped as (
    insert into ledger.skipped_lines (file_id, line_number, row_number, kind, raw)
    select %(new)s, line_number - %(before)s, row_number - %(before)s, kind, raw
    from ledger.skipped_lines
    where file_id = %(old)s and row_number > %(before)s and row_number <= %(up_to)s
    returning kind
)
select (select count(*) from rejected where replayed_as is null), (select count(*) from skipped)
