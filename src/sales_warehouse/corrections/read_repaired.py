"""Read exported rejects back after a person has repaired them."""

from dataclasses import dataclass

from sales_warehouse.corrections.mark_rejects import RejectText
from sales_warehouse.ledger.read_ledger import decode_raw


@dataclass(frozen=True)
class MarkedText:
    r"""The text below the mark of a reject, without the line end; `line_number` is that of the mark.

    Bytes that cannot be decoded are written as ``\xNN``; `error` is the reason then.
    """

    row_number: int
    line_number: int
    text: str
    error: str | None
    is_padded: bool  # a spreadsheet wrote delimiters after the mark, so perhaps after the record too


def split_at_marks(text: RejectText, data: bytes) -> tuple[str, list[MarkedText]]:
    """Return the text in front of the first mark, and the text below each mark.

    A byte order mark of `data` is used, whatever the delivered file had. Blank lines around a record are removed.
    """
    decoder = text.make_decoder()
    lines = decoder.split(data[decoder.start(data) :])
    newline = text.line_end.encode(decoder.encoding)
    head: list[bytes] = []
    marked: list[tuple[int, int, bool, list[bytes]]] = []
    for number, line in enumerate(lines, 1):
        shown = decode_raw(line, decoder.encoding)
        row_number = text.find_mark(shown)
        if row_number is not None:
            marked.append((row_number, number, text.is_padded(shown), []))
        else:
            (marked[-1][3] if marked else head).append(line)

    def join(lines: list[bytes]) -> bytes:
        filled = [number for number, line in enumerate(lines) if decoder.strip_carriage_return(line)]
        return decoder.strip_carriage_return(newline.join(lines[filled[0] : filled[-1] + 1])) if filled else b""

    texts = []
    for row_number, number, is_padded, below in marked:
        body = join(below)
        shown, error = decode_raw(body, decoder.encoding), _find_error(body, decoder.encoding)
        texts.append(MarkedText(row_number, number, shown, error, is_padded))
    return decode_raw(newline.join(head), decoder.encoding), texts


def unify_line_ends(text: str) -> str:
    r"""Return text with ``\n`` for ``\r\n``: editors write one for the other."""
    return text.replace("\r\n", "\n")


def _find_error(body: bytes, encoding: str) -> str | None:
    try:
        body.decode(encoding)
    except UnicodeError as error:
        return f"not {encoding}: {error}"
    return None
