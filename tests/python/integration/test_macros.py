"""The casts, by `dbt run-operation test_macros`, and compared with Python's numbers and calendar on generated texts."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from io import StringIO

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from psycopg2.extensions import connection as Connection

from checkout import Checkout


def test_every_cast_matches_its_tables_of_cases(checkout: Checkout) -> None:
    checkout.warehouse("up")
    done = checkout.dbt("run-operation", "test_macros")
    tested = set(re.findall(r"test_macros: (\w+)\(", done.stdout))
    casts = {path.stem for path in (checkout.project / "macros" / "portable").glob("try_*.sql")}
    assert casts - tested == set()


def test_a_wrong_cast_is_named_with_its_input(checkout: Checkout) -> None:
    macro = checkout.project / "macros" / "portable" / "number_pattern.sql"
    original = macro.read_text(encoding="utf-8")
    macro.write_text(original.replace("[0-9]{3})+", "[0-9]{2,3})+"), encoding="utf-8")
    done = checkout.dbt("run-operation", "test_macros", check=False)
    macro.write_text(original, encoding="utf-8")
    assert done.returncode != 0
    assert "of '£12,34.50': expected NULL, got '1234.5000'" in done.stdout


# --- the same texts read by Python --------------------------------------------------------------------------------

Oracle = Callable[[str], object]

_DIGITS = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)")
_PARTS = {"YYYY": "%Y", "YY": "%y", "MM": "%m", "Mon": "%b", "DD": "%d", "HH24": "%H", "MI": "%M", "SS": "%S"}
# parts of one digit or two, for Python and as they are written
_LOOSE = {"M": "%m", "D": "%d", "H24": "%H", "H12": "%I", "AM": "%p"}


def _decimal(precision: int, scale: int) -> Oracle:
    def read(text: str) -> Fraction | None:
        if not _DIGITS.fullmatch(text):
            return None
        value = Fraction(text)  # Decimal would round to 28 digits
        return value if value * 10**scale % 1 == 0 and abs(value) < 10 ** (precision - scale) else None

    return read


def _long_decimal(precision: int, scale: int, digits: int | None = None) -> Oracle:
    places = scale if digits is None else digits

    def read(text: str) -> Fraction | None:
        if not _DIGITS.fullmatch(text):
            return None
        value = Fraction(text)
        half_up = (abs(value) * 10**places * 2 + 1) // 2 * (1 if value > 0 else -1)
        rounded = Fraction(half_up, 10**places)
        is_kept = digits is not None or value == rounded or abs(value - rounded) * 10**13 <= abs(rounded)
        return rounded if is_kept and abs(rounded) < 10 ** (precision - scale) else None

    return read


def _rate(precision: int, scale: int) -> Oracle:
    def read(text: str) -> Fraction | None:
        number = _decimal(precision, scale - 2)(text[:-1].removesuffix(" ")) if text.endswith("%") else None
        return number / 100 if isinstance(number, Fraction) else None

    return read


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[-+]?[0-9]+", text) and abs(int(text)) < 10**18 else None


def _moment(form: str) -> Oracle:
    """Return a reader of moments; a text must equal its moment as written, since strptime alone reads 1/2/2024 too."""
    pythons = re.sub("YYYY|YY|MM|Mon|DD|HH24|MI|SS", lambda part: _PARTS[part[0]], form)
    has_time = "HH24" in form

    def read(text: str) -> date | None:
        try:
            found = datetime.strptime(text, pythons)
        except ValueError:
            return None
        if "YYYY" not in form:
            # strptime changes the century at 69, the project at 70
            year = int(found.strftime("%y"))
            found = found.replace(year=(1900 if year >= 70 else 2000) + year)
        written = found.strftime(pythons.replace("%Y", f"{found.year:04d}"))
        if written != text:
            return None
        return found if has_time else found.date()

    return read


def _loose_moment(form: str) -> Oracle:
    """Return a reader of moments with parts of one digit or two; strptime reads blanks and signs that no format has."""
    pythons = re.sub("YYYY|MI|SS|H24|H12|AM|M|D", lambda part: (_PARTS | _LOOSE)[part[0]], form)
    shape = re.escape(form).replace("YYYY", "[0-9]{4}")
    shape = re.sub("H24|H12|MI|SS|AM|M|D", lambda it: {"AM": "(AM|PM|am|pm)"}.get(it[0], "[0-9]{1,2}"), shape)
    shape = re.sub(r"(?<=:)\[0-9\]\{1,2\}", "[0-9]{2}", shape)

    def read(text: str) -> date | None:
        if not re.fullmatch(shape, text):
            return None
        try:
            found = datetime.strptime(text, pythons)
        except ValueError:
            return None
        return found if "MI" in form else found.date()

    return read


def _agreed(*forms: str) -> Oracle:
    def read(text: str) -> object:
        values = {value for form in forms if (value := _loose_moment(form)(text)) is not None}
        return values.pop() if len(values) == 1 else None

    return read


def _iso(text: str) -> datetime | None:
    seconds = "(:[0-9]{2}([.][0-9]{1,6})?)?"
    if not re.fullmatch(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}" + seconds + "( ?(Z|[-+][0-9]{2}(:?[0-9]{2})?))?",
        text,
    ):
        return None
    zone = re.search("[-+]([0-9]{2}):?([0-9]{2})?$", text[11:])
    if zone and (int(zone[1]) > 23 or int(zone[2] or 0) > 59):
        return None
    clock = re.sub(" ?(Z|[-+].*)$", "", text[11:])
    seconds, _, fraction = clock.partition(".")
    try:
        return datetime.fromisoformat(f"{text[:10]} {seconds}{fraction and f'.{fraction:0<6}'}")
    except ValueError:
        return None


def _excel_date(text: str) -> date | None:
    if not re.fullmatch("[0-9]{1,7}", text) or not 1 <= int(text) <= 2_958_465 or int(text) == 60:
        return None
    return date(1899, 12, 31 if int(text) < 60 else 30) + timedelta(days=int(text))


def _excel_timestamp(text: str) -> datetime | None:
    serial = _decimal(20, 13)(text)
    if not isinstance(serial, Fraction) or serial < 1 or int(serial) == 60:
        return None
    second = round(serial * 86_400)
    if second == 60 * 86_400 or second >= 2_958_466 * 86_400 or abs(serial * 86_400 - second) >= Fraction(1, 1000):
        return None
    return datetime(1899, 12, 31 if serial < 60 else 30) + timedelta(seconds=second)


CASTS: dict[str, Oracle] = {
    "try_decimal('given', 18, 4)": _decimal(18, 4),
    "try_decimal('given', 5, 2)": _decimal(5, 2),
    "try_long_decimal('given', 18, 4)": _long_decimal(18, 4),
    "try_long_decimal('given', 18, 6)": _long_decimal(18, 6),
    "try_long_decimal('given', 9, 4, 2)": _long_decimal(9, 4, 2),
    "try_integer('given')": _integer,
    "try_rate('given', 9, 4, decimal_mark='.')": _rate(9, 4),
    "try_excel_date('given')": _excel_date,
    "try_excel_timestamp('given')": _excel_timestamp,
    **{
        f"try_date('given', '{form}')": _moment(form)
        for form in ("YYYY-MM-DD", "DD/MM/YYYY", "MM/DD/YY", "YYYYMMDD", "DD-Mon-YYYY")
    },
    **{
        f"try_timestamp('given', '{form}')": _moment(form)
        for form in ("YYYY-MM-DD HH24:MI:SS", "MM/DD/YY HH24:MI", "DD.MM.YYYY HH24:MI:SS")
    },
    **{f"try_date('given', '{form}')": _loose_moment(form) for form in ("D/M/YYYY", "YYYY-M-D")},
    **{
        f"try_timestamp('given', '{form}')": _loose_moment(form)
        for form in ("M/D/YYYY H24:MI", "D.M.YYYY H12:MI:SS AM")
    },
    "try_date('given', ['D/M/YYYY', 'M/D/YYYY'])": _agreed("D/M/YYYY", "M/D/YYYY"),
    "try_timestamp('given', 'ISO')": _iso,
}
AMOUNT = "try_amount('given', 18, 4, decimal_mark='.', thousands_mark=',', currency_sign='£')"


@pytest.fixture(scope="module")
def casts(checkout: Checkout) -> dict[str, str]:
    """Return the SQL of each cast of a column `given`."""
    checkout.warehouse("up")
    inline = " ---- ".join(f"{{{{ {call} }}}}" for call in [*CASTS, AMOUNT])
    made = checkout.dbt("compile", "--quiet", "--inline", inline).stdout
    return dict(zip([*CASTS, AMOUNT], made.split("----"), strict=True))


@pytest.fixture(scope="module")
def session(checkout: Checkout) -> Iterator[Connection]:
    connection = checkout.connect()
    with connection, connection.cursor() as cursor:
        cursor.execute("create temporary table texts (place integer, given text)")
    with closing(connection):
        yield connection


def read_all(connection: Connection, casts: dict[str, str], texts: list[str]) -> dict[str, list[object]]:
    """Return the result of each cast for each text."""
    file = StringIO()
    for place, text in enumerate(texts):
        escaped = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
        file.write(f"{place}\t{escaped}\n")
    file.seek(0)
    with connection, connection.cursor() as cursor:
        cursor.execute("truncate texts")
        cursor.copy_expert("copy texts from stdin", file)
        cursor.execute(f"select {', '.join(casts.values())} from texts order by place")
        return dict(zip(casts, map(list, zip(*cursor.fetchall(), strict=True)), strict=True))


_ALPHABET = "0123456789.,-+/: %£()eE_JanDecdecNIf\n\t\u00a0\u0661\uff15'"
_stray = st.text(_ALPHABET, max_size=20)


def _damaged(texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Generate texts in which one character was removed, inserted or replaced."""
    return st.builds(
        lambda text, at, lost, came: text[: at % (len(text) + 1)] + came + text[at % (len(text) + 1) + lost :],
        texts, st.integers(0, 40), st.integers(0, 1), st.text(_ALPHABET, max_size=1),
    )  # fmt: skip


_sign = st.sampled_from(["", "", "-", "+", "--"])
_digits = st.text("0123456789", max_size=20)
_numbers = st.builds(
    "".join, st.tuples(_sign, _digits, st.sampled_from(["", ".", "."]), _digits, st.sampled_from(["", "0", "%", " %"]))
)
_two = st.integers(0, 62).map("{:02d}".format)
_years = st.one_of(st.integers(0, 10_000).map("{:04d}".format), st.sampled_from(["1900", "2000", "2023", "2024"]), _two)
_months = st.one_of(
    st.integers(0, 13).map("{:02d}".format), st.integers(0, 13).map(str), st.sampled_from(["Jan", "Feb", "DEC", "Sept"])
)
_days = st.one_of(
    st.integers(0, 32).map("{:02d}".format), st.integers(0, 32).map(str), st.sampled_from(["28", "29", "30", "31", "5"])
)
_hours = st.one_of(_two, st.integers(0, 25).map(str))
_times = st.one_of(
    st.just(""),
    st.builds(" {}:{}:{}".format, _hours, _two, _two),
    st.builds(" {}:{}".format, _hours, _two),
    st.builds(" {}:{}:{} {}".format, _hours, _two, _two, st.sampled_from(["AM", "PM", "pm", "Pm"])),
    st.builds(
        "{}{}:{}:{}{}".format,
        st.sampled_from("T "),
        _two,
        _two,
        _two,
        st.sampled_from(["Z", ".5", ".25+01:00", " -0530"]),
    ),
)
_orders = ["{y}-{m}-{d}{t}", "{d}/{m}/{y}{t}", "{m}/{d}/{y}{t}", "{y}{m}{d}{t}", "{d}-{m}-{y}{t}", "{d}.{m}.{y}{t}"]
_moments = st.builds(
    lambda order, y, m, d, t: order.format(y=y, m=m, d=d, t=t), st.sampled_from(_orders), _years, _months, _days, _times
)
_serials = st.integers(0, 3_000_000).map(str)
_near = st.sampled_from([0, 58, 59, 60, 61, 45_413, 2_958_465, 2_958_466])
_serials_of_seconds = st.builds(
    lambda day, second, digits: f"{(Decimal(day * 86_400) + second) / 86_400:.{digits}f}",
    _near, st.integers(-5, 86_405), st.integers(4, 14),
)  # fmt: skip
_valid = st.one_of(_numbers, _moments, _moments, _serials, _serials_of_seconds)
_texts = st.lists(st.one_of(_valid, _valid, _damaged(_valid), _stray), min_size=40, max_size=120)
# the message names the texts that were read wrongly, so no shrinking is needed
_often = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


@given(_texts)
@example(
    [
        "60",
        "59.9999999999999",
        "60.5",
        "0060",
        "2958465",
        "2958466",
        "69",
        "70",
        "01/01/69",
        "01/01/70",
        "0001-01-01",
        "29/02/1900",
        "1e3",
        "2024-01-05 24:00:00",
        "2024-01-05 23:59:60",
    ]
)
@_often
def test_numbers_and_days_are_read_as_python_reads_them(
    session: Connection, casts: dict[str, str], texts: list[str]
) -> None:
    got = read_all(session, casts, texts)
    for call, oracle in CASTS.items():
        other = {text: read for text, read in zip(texts, got[call], strict=True) if read != oracle(text)}
        assert not other, call


@st.composite
def _written(draw: st.DrawFn) -> tuple[str, Decimal]:
    """Generate amounts in a form people write, with their values."""
    value = draw(st.decimals(0, 99_999_999_999_999, places=draw(st.integers(0, 4))))
    number = format(value, draw(st.sampled_from([",f", "f"])))
    sign = draw(st.sampled_from(["", "+", "-"]))
    form = draw(
        st.sampled_from(["{s}{n}", "{s}£{n}", "{s}£ {n}", "£{s}{n}", "£ {s}{n}", "{s}{n}£", "{s}{n} £", "({n})",
                         "(£{n})", "(£ {n})", "£({n})", "£ ({n})", "({n} £)", "({n}£)"])
    )  # fmt: skip
    is_below = sign == "-" if "{s}" in form else "(" in form
    return form.format(s=sign, n=number), -value if is_below else value


_not_as_written = st.one_of(_damaged(_written().map(lambda written: written[0])), _stray)


@given(st.lists(_written(), min_size=40, max_size=80), st.lists(_not_as_written, min_size=40, max_size=80))
@_often
def test_amounts_are_read_as_they_were_written_and_no_digit_is_lost(
    session: Connection, casts: dict[str, str], written: list[tuple[str, Decimal]], stray: list[str]
) -> None:
    texts = [text for text, _ in written] + stray
    [got] = read_all(session, {AMOUNT: casts[AMOUNT]}, texts).values()
    for (text, value), read in zip(written, got, strict=False):
        assert read == value, text
    for text, read in zip(stray, got[len(written) :], strict=True):
        if isinstance(read, Decimal):
            digits = re.sub("[^0-9.]", "", text)
            assert abs(read) == Decimal(digits), text
            grouped = re.sub("[^0-9,]", "", text.partition(".")[0])
            assert "," not in grouped or grouped == format(int(grouped.replace(",", "")), ","), text
            assert (read < 0) == (("-" in text or "(" in text) and Decimal(digits) != 0), text
