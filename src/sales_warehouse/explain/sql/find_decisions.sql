-- What was decided about the events of a file's records, and the record that counts instead: of a repeated one the
-- sending before it, of a superseded one the last state. The order is that of the macro decide_events.
with mine as (
    select * from {table}
    where _file_id = %(file_id)s and _row_number = any(%(row_numbers)s)
),
sendings as (
    select
        sent.*,
        row_number() over (
            partition by sent.feed, sent.event_key
            order by
                sent.event_at asc nulls first, sent.event_place asc nulls first, sent.event_partition asc nulls first,
                sent.event_offset asc nulls first
        ) as sending_number
    from {table} as sent
    where (sent.feed, sent.event_key) in (select mine.feed, mine.event_key from mine)
)
select
    mine._row_number, mine.decision, mine.row_count,
    other._file_id as other_file_id, other._row_number as other_row_number,
    other.event_place as other_topic, other.event_partition as other_partition, other.event_offset as other_offset
from mine
left join lateral (
    (
        select first_sending.* from sendings as own
        inner join sendings as first_sending
            on first_sending.feed = own.feed and first_sending.event_key = own.event_key
            and first_sending.sending_number < own.sending_number and first_sending.decision <> 'repeated'
        where mine.decision = 'repeated' and own._file_id = mine._file_id and own._row_number = mine._row_number
        order by first_sending.sending_number desc
        limit 1
    )
    union all
    (
        -- the first of its records
        select last_state.*, null::bigint from {table} as last_state
        where
            mine.decision = 'superseded' and last_state.feed = mine.feed and last_state.state_key = mine.state_key
            and last_state.decision = 'counted'
        order by last_state._file_id, last_state._row_number
        limit 1
    )
) as other on true
