"""Mask a person in what the ledger keeps of files: rejects, skipped lines, heads and messages."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from psycopg2 import Binary, sql
from psycopg2.extensions import cursor as Cursor

from sales_warehouse.erase.mask_derived import Counts
from sales_warehouse.feeds.declare import Feed, Topic
from sales_warehouse.ledger.masks import Masks, read_masks, spellings_of
from sales_warehouse.load.mask_rows import rewrite
from sales_warehouse.stream.commit_messages import mask_message
from sales_warehouse.stream.messages import pack, unpack

_ENVELOPE = ("key", "headers")  # of messages; bytes are in them as hexadecimal digits
# table, its columns of bytes, its columns of text
_TABLES = (
    ("rejects", ("raw",), ("detail", "replayed_as", "key", "headers")),
    ("skipped_lines", ("raw",), ()),
    ("files", ("head",), ("message",)),
    ("file_events", (), ("detail",)),
)


def mask_ledger(cursor: Cursor, feeds: Sequence[Feed], texts: Sequence[str]) -> tuple[Counts, set[int]]:
    """Mask a person whose texts are these in the ledger; return how many rows by column, and the files they are of."""
    counts: Counts = Counter()
    files: set[int] = set()
    words = {max(spelling, key=len) for text in texts for spelling in spellings_of(text)}
    cursor.execute("select feed, bool_or(uri like 'kafka://%') from ledger.files group by feed")
    declared = {feed.full_name: feed for feed in feeds}
    for name, is_topic in cursor.fetchall() if words else []:
        # of a feed that is not declared any more no encoding is known
        source, _, own_name = name.partition(".")
        left = Feed(source, own_name, "", "", "", (), topic=Topic("", "") if is_topic else None)
        feed = declared.get(name, left)
        masks = read_masks(cursor, feed)
        assert masks is not None  # the texts are in the ledger already
        # bytes in an encoding that is not theirs have no text of the person, and stay as they are
        for way in {one.dialect.encoding: one for one in feed.ways}.values():
            for table, of_bytes, of_text in _TABLES:
                found = _mask_table(cursor, replace(masks, feed=way), table, of_bytes, of_text, sorted(words))
                for column, file_ids in found.items():
                    counts[f"ledger.{table}", column] += len(file_ids)
                    files |= set(file_ids)
        if file_ids := _mask_messages(cursor, masks):
            counts["ledger.messages", "body"] += len(file_ids)
            files |= set(file_ids)
        if letters := _mask_dead_letters(cursor, masks):
            counts["ledger.dead_letters", "body"] += letters
    return counts, files


def _mask_table(
    cursor: Cursor, masks: Masks, table: str, of_bytes: Sequence[str], of_text: Sequence[str], words: Sequence[str]
) -> dict[str, list[int]]:
    """Mask the rows of a feed in a table of the ledger; return the file of each changed row by column."""
    columns = (*of_bytes, *of_text)
    needles = [Binary(it) for it in sorted({needle for word in words for needle in _encode(word, masks.feed)})]
    may_hold = [
        sql.SQL("exists (select from unnest({}) as it (needle) where position(it.needle in {}) > 0)").format(
            sql.SQL("%(needles)s::bytea[]" if column in of_bytes else "%(words)s"), sql.Identifier(column)
        )
        for column in columns
    ]
    may_hold += [
        sql.SQL("position('\\x' in {}) > 0").format(sql.Identifier(column)) for column in of_text if column in _ENVELOPE
    ]
    length = sql.SQL("coalesce(delivered_bytes, length(raw))" if table == "rejects" else "null")
    query = sql.SQL(
        "select it.ctid::text, file_id, {}, {} from ledger.{} as it where file_id in "
        "(select file_id from ledger.files where feed = %(feed)s) and ({})"
    ).format(
        length,
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(table),
        sql.SQL(" or ").join(may_hold),
    )
    cursor.execute(query, {"needles": needles, "words": words, "feed": masks.feed.full_name})
    changed: dict[str, list[int]] = {}
    rewritten = []
    for place, file_id, size_bytes, *values in cursor.fetchall():
        row = dict(zip(columns, values, strict=True))
        raws = {column: bytes(row[column]) for column in of_bytes if row[column] is not None}
        new = row | {column: masks.mask_bytes(raw) for column, raw in raws.items()}
        for column in of_text:
            if row[column] is not None:
                mask = masks.mask_envelope if column in _ENVELOPE else masks.mask_text
                new[column] = mask(row[column])
        differing = [column for column in columns if new[column] != raws.get(column, row[column])]
        if differing:
            lengths = [size_bytes] if table == "rejects" else []
            rewritten.append((place, *new.values(), *lengths))
            for column in differing:
                changed.setdefault(column, []).append(file_id)
    types = {column: "bytea" if column in of_bytes else "text" for column in columns}
    types |= {"delivered_bytes": "bigint"} if table == "rejects" else {}
    rewrite(cursor, sql.Identifier("ledger", table), types, rewritten)
    return changed


def _mask_messages(cursor: Cursor, masks: Masks) -> list[int]:
    """Mask the kept messages of a feed; return the file of each changed row. They are compressed, so all are read."""
    cursor.execute(
        "select file_id, first_offset from ledger.messages inner join ledger.files using (file_id) where feed = %s",
        (masks.feed.full_name,),
    )
    changed = []
    for file_id, first_offset in cursor.fetchall():
        place = (file_id, first_offset)
        cursor.execute("select body from ledger.messages where file_id = %s and first_offset = %s", place)
        [(body,)] = cursor.fetchall()
        messages = list(unpack(bytes(body)))
        masked = [mask_message(message, masks) for message in messages]
        if masked != messages:
            cursor.execute(
                "update ledger.messages set body = %s where file_id = %s and first_offset = %s", (pack(masked), *place)
            )
            changed.append(file_id)
    return changed


def _mask_dead_letters(cursor: Cursor, masks: Masks) -> int:
    """Mask the rejects of a feed that are still to be sent to a topic; return how many rows were changed."""
    query = "select dead_letter_id, detail, body from ledger.dead_letters where feed = %s"
    cursor.execute(query, (masks.feed.full_name,))
    changed = 0
    for dead_letter_id, detail, body in cursor.fetchall():
        messages = list(unpack(bytes(body)))
        masked, new_detail = [mask_message(message, masks) for message in messages], masks.mask_text(detail)
        if (masked, new_detail) != (messages, detail):
            cursor.execute(
                "update ledger.dead_letters set detail = %s, body = %s where dead_letter_id = %s",
                (new_detail, pack(masked), dead_letter_id),
            )
            changed += 1
    return changed


def _encode(word: str, feed: Feed) -> set[bytes]:
    """Return the bytes of a word as a file of the feed may have them."""
    name = feed.dialect.encoding
    found = set()
    for encoding in (name, f"{name}-le", f"{name}-be", "utf-8"):
        try:
            found.add(word.encode(encoding)[len("".encode(encoding)) :])
        except (LookupError, UnicodeError):
            continue
    return found
