"""Erase a person from the database in one transaction, and record what was erased."""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from sales_warehouse.erase.find_person import (
    Found,
    Table,
    find_records,
    parse_conditions,
    put_places,
    read_staged,
    read_tables,
)
from sales_warehouse.erase.find_texts import Left, find_texts
from sales_warehouse.erase.mask_derived import Changed, Counts, compare_staged, mask_derived
from sales_warehouse.erase.mask_ledger import mask_ledger
from sales_warehouse.erase.steps import open_steps
from sales_warehouse.errors import ConfigurationError
from sales_warehouse.feeds.declare import Feed
from sales_warehouse.lake.find_lake import find_location
from sales_warehouse.ledger.masks import (
    Masks,
    as_value,
    hash_record,
    hash_words,
    read_masks,
    spellings_of,
    stand_ins_of,
)
from sales_warehouse.ledger.prepare import raw_table
from sales_warehouse.ledger.record_files import record_masked
from sales_warehouse.ledger.transaction import transaction
from sales_warehouse.load.loader_lock import as_the_loader
from sales_warehouse.load.mask_rows import mask_persons, trimmed
from sales_warehouse.prepare import prepare_warehouse
from sales_warehouse.publish.build_lease import as_the_builder

_PUBLICATIONS_LOCK = 0x5A1E_0004  # of publish.sql: a publication would copy rows that are masked now
_KEY_BYTES = 32
_TOKEN_BYTES = 8


@dataclass(frozen=True)
class Erased:
    """What was erased: how many rows by table and column; `left` is where a text of the person still is.

    `changed` are columns of staging views that show something else now than the token in place of a text: the next
    build reads these files again, and figures may change.
    """

    erasure_id: int | None  # None: nothing was changed
    token: str
    rows: list[tuple[str, str, int]]
    files: tuple[int, ...]
    changed: tuple[str, ...]
    left: Left
    lake: str | None = None  # where the lake is, which has the person until it is exported again


class _OnlyTried(Exception):
    """Rolls back what was done."""


def erase(
    connection: Connection,
    feeds: Sequence[Feed],
    conditions: Sequence[str],
    texts: Sequence[str],
    say: Callable[[str], None],
    only_try: bool = False,
) -> Erased:
    """Erase the person whose records meet the conditions, each `<source>.<feed>.<column>=value`, in one transaction.

    Of one feed all conditions must hold. `texts` are further texts of the person, such as a name as a rejected record
    spells it. With `only_try` everything is rolled back. Waits while a loader or a build is at work.
    Raises `ConfigurationError` for wrong conditions and when nothing of the person is there.
    """
    persons = parse_conditions(feeds, conditions)
    if not persons:
        raise ConfigurationError("Say who is erased: --where <source>.<feed>.<column>=VALUE.")
    erased: Erased | None = None
    with (
        as_the_loader(connection, say, partial(prepare_warehouse, connection, feeds)) as loader,
        as_the_builder(connection, "warehouse erase", say) as lease,
        suppress(_OnlyTried),
        transaction(connection) as cursor,
    ):
        loader.confirm(cursor)
        lease.hold(cursor)
        cursor.execute("select pg_advisory_xact_lock(%s)", (_PUBLICATIONS_LOCK,))
        erased = _Erasure(cursor, feeds, persons, [as_value(text) for text in texts]).run()
        if only_try:
            raise _OnlyTried
    assert erased is not None
    return replace(erased, erasure_id=None) if only_try else erased


class _Erasure:
    """An erasure in the transaction of the cursor."""

    def __init__(self, cursor: Cursor, feeds: Sequence[Feed], persons: Sequence[Found], texts: Sequence[str]) -> None:
        self._cursor, self._feeds, self._persons = cursor, feeds, persons
        self._texts = dict.fromkeys(texts, True)  # and whether they are the person's alone
        self._counts: Counts = Counter()
        self._changed: set[str] = set()

    def run(self) -> Erased:
        cursor = self._cursor
        tables = self._lock_tables()
        self._key = self._read_key()
        for found in self._persons:
            find_records(cursor, found, tables)
        self._token = self._find_token() or f"erased-{secrets.token_hex(_TOKEN_BYTES)}"
        changes = [self._mask_raw(found) for found in self._persons]
        for found, changed in zip(self._persons, changes, strict=True):
            own = self._masks_of_the_rows(found, changed)
            self._counts += mask_derived(cursor, found, changed, tables, own)
        self._record_texts()
        for found in self._persons:
            # columns that are not declared, now that all texts of the person are known
            masks = read_masks(cursor, found.feed)
            assert masks is not None
            if found.feed.topic:  # so that a message which is read again is the person's too
                kept = [tuple(masks.mask_in_place(value.encode()).decode() for value in row) for row in found.values]
                self._record_values(found, kept)
            found.values = {(self._token,) * len(found.columns)}
            self._count_raw(found.feed, mask_persons(cursor, masks, found.condition))
        masked, files = mask_ledger(cursor, self._feeds, list(self._texts))
        self._counts += masked
        files |= {file_id for found in self._persons for file_id, _ in found.places}
        if not self._counts:
            raise ConfigurationError(
                "Nothing of this person is in the warehouse, so nothing was erased. Write the value as it was "
                "delivered; `warehouse explain` shows the original of a row."
            )
        shown = [text for text, is_alone in self._texts.items() if is_alone and any(map(str.isalpha, text))]
        left = find_texts(cursor, shown)
        return Erased(
            self._record(files),
            self._token,
            sorted((table, column, rows) for (table, column), rows in self._counts.items()),
            tuple(sorted(files)),
            tuple(sorted(self._changed)),
            left,
            find_location(cursor),
        )

    def _lock_tables(self) -> list[Table]:
        """Return the tables of models and publications; until the end no other session writes into them.

        Nor does a stream: a commit reads the masks first; one that waited for a raw table would not know this person.
        """
        self._cursor.execute("lock table ledger.stream_positions in exclusive mode")
        self._cursor.execute("select ledger.seal_segments()")  # builds would see an open one by its event
        tables = read_tables(self._cursor)
        names = [table.identifier for table in tables] + [raw_table(found.feed) for found in self._persons]
        lock = sql.SQL("lock table {} in share row exclusive mode").format(sql.SQL(", ").join(names))
        self._cursor.execute(lock)
        if any(table.full_name == "live.state" for table in tables):
            # a fill that began before and waits for these tables fails, and begins again: it sees rows as they were
            self._cursor.execute("update live.state set fill_number = fill_number + 1")
        return tables

    def _read_key(self) -> bytes:
        new = secrets.token_bytes(_KEY_BYTES)
        self._cursor.execute("insert into ledger.erasure_key (key) values (%s) on conflict do nothing", (new,))
        self._cursor.execute("select key from ledger.erasure_key")
        [(key,)] = self._cursor.fetchall()
        return bytes(key)

    def _find_token(self) -> str | None:
        """Return the token of an earlier erasure of the same person."""
        for found in self._persons:
            hashes = [hash_record(self._key, found.feed.full_name, found.columns, row) for row in found.values]
            self._cursor.execute("select token from ledger.erased_records where hash = any(%s)", (hashes,))
            for (token,) in self._cursor:
                return str(token)
        return None

    def _mask_raw(self, found: Found) -> Changed:
        """Mask the person's rows of a feed; return how the staging view shows them now."""
        cursor, feed, token = self._cursor, found.feed, self._token
        put_places(cursor, found.places)
        values = self._read_personal(found)
        # a masked record that is repaired is the person's too
        known = found.values | {(token,) * len(found.columns)}
        self._record_values(found, known)
        masks = read_masks(cursor, feed)
        assert masks is not None
        self._count_raw(feed, mask_persons(cursor, masks, found.condition))
        put_places(cursor, found.places)
        changed = compare_staged(found, read_staged(cursor, found), token)
        if changed.files:
            record_masked(cursor, feed, sorted(changed.files))
            self._changed |= {f"{feed.full_name}: {column}" for column in changed.others}
        values |= {text: text in changed.personal for text in changed.forms}
        values |= {value: True for row in found.values for value in row if value}
        for value, may_be_alone in values.items():
            self._texts[value] = self._texts.get(value, False) or may_be_alone
        for value in self._find_others(found, list(values)):
            self._texts[value] = False
        return changed

    def _record_values(self, found: Found, values: Iterable[tuple[str, ...]]) -> None:
        """Record that records with these values are the person's."""
        feed, columns = found.feed.full_name, list(found.columns)
        rows = [(feed, columns, hash_record(self._key, feed, columns, row), self._token) for row in values]
        execute_values(self._cursor, "insert into ledger.erased_records values %s on conflict do nothing", rows)

    def _count_raw(self, feed: Feed, counts: dict[str, int]) -> None:
        table = f"{feed.schema}.{feed.identifier}"
        self._counts += Counter({(table, column): count for column, count in counts.items()})

    def _read_personal(self, found: Found) -> dict[str, bool]:
        """Return the values of the personal columns in the person's rows."""
        values: dict[str, bool] = {}
        for column in found.feed.personal:
            query = sql.SQL("select distinct {} from {} inner join erased_places using (_file_id, _row_number)")
            self._cursor.execute(query.format(trimmed(column), raw_table(found.feed)))
            values |= {value: True for (value,) in self._cursor if value}
        return values

    def _find_others(self, found: Found, values: Sequence[str]) -> set[str]:
        """Return those of these values that rows of others have too, now that the person's rows have none."""
        others: set[str] = set()
        for column in found.feed.personal:
            query = sql.SQL("select distinct {0} from {1} where {0} = any(%s)")
            self._cursor.execute(query.format(trimmed(column), raw_table(found.feed)), (values,))
            others |= {value for (value,) in self._cursor}
        return others

    def _masks_of_the_rows(self, found: Found, changed: Changed) -> Masks:
        """Return masks for texts of the person's own rows, where a short value counts too."""
        forms = {value: self._token for row in found.values for value in row if value} | changed.forms
        spellings = {tuple(words): form for text, form in forms.items() for words in spellings_of(text, least=1)}
        hashes = {hash_words(self._key, words): (form, False) for words, form in spellings.items()}
        return Masks(found.feed, self._key, (), {}, hashes, tuple(sorted(set(map(len, spellings)), reverse=True)))

    def _record_texts(self) -> None:
        rows = {
            hash_words(self._key, words): (len(words), self._token, is_alone)
            for text, is_alone in self._texts.items()
            for words in spellings_of(text)
        }
        if any(feed.topic for feed in self._feeds):
            for text, is_alone in self._texts.items():
                for stand_in, is_rare in stand_ins_of(self._token, text):
                    rows[hash_words(self._key, [stand_in])] = (1, self._token, is_alone and is_rare)
        statement = "insert into ledger.erased_texts values %s on conflict do nothing"
        execute_values(self._cursor, statement, [(digest, *row) for digest, row in rows.items()])

    def _record(self, files: set[int]) -> int:
        by = [f"{found.feed.full_name}.{column}" for found in self._persons for column in found.columns]
        self._cursor.execute(
            "insert into ledger.erasures (token, found_by, file_ids) values (%s, %s, %s) returning erasure_id",
            (self._token, by, sorted(files)),
        )
        [(erasure_id,)] = self._cursor.fetchall()
        rows = [(erasure_id, table, column, count) for (table, column), count in self._counts.items()]
        execute_values(self._cursor, "insert into ledger.erased_columns values %s", rows)
        open_steps(self._cursor, erasure_id)
        return int(erasure_id)
