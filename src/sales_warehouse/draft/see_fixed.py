"""Where the columns of lines without delimiters are, as far as the lines themselves show it.

A column ends before a place that is blank in all lines, where digits and letters meet in all lines, and around eight
digits that are a day in all lines. Two numbers that touch look like one: only the record layout tells them apart.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from string import digits

from sales_warehouse.draft.date_forms import make_format
from sales_warehouse.feeds.names import normalise_header

_LEAST_LINES = 2
_MOST = 0.6  # of the lines are equally long: the last may be cut, and a header may be shorter
_LEAST_CHARACTERS = 9
_DAY_DIGITS = 8
_DAYS = tuple(map(make_format, ("YYYYMMDD", "DDMMYYYY", "MMDDYYYY")))
_SIGNS = "+-.,"

Place = tuple[int, int]  # first and last character, from 1


@dataclass(frozen=True)
class Fixed:
    """The columns that lines show: their places, and their names if the first line is a header."""

    places: tuple[Place, ...]
    names: tuple[str, ...]
    has_header: bool


def see_fixed(lines: Sequence[str]) -> Fixed | None:
    """Return the columns of lines most of which are equally long; None if they are not, or are too few or short.

    `lines` are without blank ones.
    """
    widths = Counter(map(len, lines))
    width, count = max(widths.items(), key=lambda it: it[1], default=(0, 0))
    if count < max(_LEAST_LINES, _MOST * len(lines)) or width < _LEAST_CHARACTERS:
        return None
    header, body = lines[0], [line for line in lines[1:] if len(line) == width]
    has_header = _is_header(header, body)
    if not has_header and len(header) == width:
        body = [header, *body]
    parts = [part for place in _runs(body) for part in _split(body, place)]
    places = _fill_gaps(body, parts)
    names = tuple(_name(header[first - 1 : last] if has_header else "", n) for n, (first, last) in enumerate(places, 1))
    if has_header and len(set(names)) < len(names):
        names = tuple(f"column_{number}" for number in range(1, len(places) + 1))
    return Fixed(tuple(places), names, has_header)


def _is_header(line: str, body: Sequence[str]) -> bool:
    """Say whether the first line has letters and no digit where all others have digits."""
    places = [n for n in range(len(body[0])) if all(other[n] in digits for other in body)]
    has_letters = any(one.isalpha() for one in line)
    return has_letters and bool(places) and not any(line[n : n + 1].isdigit() for n in places)


def _name(text: str, number: int) -> str:
    name = normalise_header(text)
    return name if name and name[0] not in digits else f"column_{number}"


def _runs(lines: Sequence[str]) -> list[Place]:
    """Return the places between those that are blank in all lines."""
    held = [any(line[n] not in " \t" for line in lines) for n in range(len(lines[0]))]
    runs = [[n for n, _ in group] for is_held, group in groupby(enumerate(held), key=lambda it: it[1]) if is_held]
    return [(run[0] + 1, run[-1] + 1) for run in runs]


def _split(lines: Sequence[str], place: Place) -> list[Place]:
    """Return the parts of a place where digits and letters meet, and the days in digits alone."""
    first, last = place
    kinds = [_kind({line[n] for line in lines} - {" "}) for n in range(first - 1, last)]
    starts = [first]
    for n, (one, other) in enumerate(pairwise(kinds), first + 1):
        if {one, other} == {"digits", "letters"}:
            starts.append(n)
    parts = list(zip(starts, [*(start - 1 for start in starts[1:]), last], strict=True))
    return [piece for part in parts for piece in _split_days(lines, part)]


def _kind(characters: set[str]) -> str:
    if all(one in _SIGNS for one in characters):
        return "signs"  # of the number or the text beside them
    if all(one in digits or one in _SIGNS for one in characters):
        return "digits"
    return "letters" if not any(one in digits for one in characters) else "mixed"


def _fill_gaps(lines: Sequence[str], places: Sequence[Place]) -> list[Place]:
    """Return the places with the blanks behind a text, and those in front of numbers that end at one place.

    A longer value may be there in another file, and what is in no column is not read.
    """
    filled = list(places)
    for n, ((first, last), (start, end)) in enumerate(pairwise(places)):
        is_text = any(not (one in digits or one in _SIGNS) for line in lines for one in line[first - 1 : last].strip())
        if is_text:
            filled[n] = filled[n][0], start - 1
        elif any(line[start - 1] == " " for line in lines):
            filled[n + 1] = last + 1, end
    filled[-1] = filled[-1][0], len(lines[0])
    return filled


def _split_days(lines: Sequence[str], place: Place) -> list[Place]:
    first, last = place
    for start in range(first, last - _DAY_DIGITS + 2):
        end = start + _DAY_DIGITS - 1
        texts = {line[start - 1 : end] for line in lines}
        years = {text[:4] for text in texts} | {text[4:] for text in texts}
        if any(all(form.fits(text) for text in texts) for form in _DAYS) and any(
            "1900" <= year <= "2100" for year in years
        ):
            parts = [(first, start - 1), (start, end), (end + 1, last)]
            return [(one, other) for one, other in parts if one <= other]
    return [place]
