"""Which encoding the bytes of a sample are in: what they prove, and what a person must decide."""

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from charset_normalizer import from_bytes

from sales_warehouse.load.inbox.recognise import MARKS
from sales_warehouse.load.readers.decode_lines import MARK

# tried where the bytes are not UTF-8; in this order where the letters they give are the same
_SINGLE_BYTE = ("cp1252", "cp1250", "cp1251", "cp850", "cp437", "mac_roman", "iso8859_15")
# others that charset-normalizer may find; what it finds besides are encodings that no program writes any more
_KNOWN = (
    *_SINGLE_BYTE,
    *("cp1253", "cp1254", "cp1257", "cp852", "iso8859_1", "iso8859_2", "iso8859_9", "koi8_r", "mac_latin2"),
    *("cp932", "shift_jis", "euc_jp", "gb18030", "gbk", "big5", "euc_kr", "cp949"),
)
_SIGNS = "€£¥’‘“”„–—…°½¼²³·•®©™«»§"
_MOST = 0.9  # of the words
_FEW_WORDS = 20  # in fewer, charset-normalizer has too little to go by
_LIKELY_BYTES = 64 * 1024  # of other bytes than ASCII, for charset-normalizer
_NAMES = {"mac_roman": "mac-roman", "iso8859_15": "iso-8859-15", "iso8859_1": "latin-1"}


@dataclass(frozen=True)
class Encoding:
    """An encoding, what proves it, and others that the bytes are text in too."""

    name: str
    evidence: str
    others: tuple[str, ...] = ()
    is_mixed: bool = False  # some samples are UTF-8, others are not


def see_encoding(samples: Sequence[bytes]) -> Encoding:
    """Return the encoding of samples of text; the others in it are for a person to exclude."""
    whole = b"\n".join(samples)
    for mark, name in (*MARKS, (MARK, "utf-8")):
        if all(data.startswith(mark) for data in samples if data):
            return Encoding(name, "byte order mark")
    if wide := _see_wide(whole):
        return wide
    if whole.isascii():
        return Encoding("utf-8", "ASCII only")
    if all(map(_is_utf8, samples)):
        beyond = len(whole.decode("utf-8", "ignore")) - sum(byte < 128 for byte in whole)
        return Encoding("utf-8", f"valid UTF-8, {beyond:,} characters beyond ASCII")
    beyond_ascii = [data for data in samples if not data.isascii()]
    others = [data for data in beyond_ascii if not _is_utf8(data)]
    return replace(_see_single_byte(b"\n".join(others)), is_mixed=len(others) < len(beyond_ascii))


def _is_utf8(data: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)  # the last character may be cut
    except UnicodeError:
        return False
    return True


def _see_wide(data: bytes) -> Encoding | None:
    """Return UTF-16 without a mark: every second byte of text in Latin letters is NUL then."""
    head = data[:4096]
    for name, start in (("utf-16-le", 1), ("utf-16-be", 0)):
        other = head[1 - start :: 2]
        if len(head) > 3 and head[start::2].count(0) * 2 > len(head[start::2]) and not other.count(0):
            return Encoding(name, "every second byte is NUL")
    return None


def _see_single_byte(data: bytes) -> Encoding:
    words = _find_words(data)
    common = b" ".join(word for word, _ in words.most_common(2_000))[:_LIKELY_BYTES]
    matches = from_bytes(common or data[:_LIKELY_BYTES])
    likely = [match.encoding for match in matches if match.encoding in _KNOWN] if len(words) >= _FEW_WORDS else []
    tried = list(dict.fromkeys([*likely[:3], *_SINGLE_BYTE]))
    decoded = {name: text for name in tried if (text := _decode(common, name)) is not None}
    c1 = sum(rows for word, rows in words.items() if re.search(rb"[\x80-\x9f]", word))
    first = _choose(decoded, likely)
    shown = _shows(words, first)
    told = f"not UTF-8; {sum(words.values()):,} words with other letters, such as {shown}"
    told += f"; {c1:,} with bytes 80 to 9F, which are no letters in latin-1" if c1 else ""
    others = tuple(
        f"{_NAMES.get(name, name)}: {_shows(words, name)}"
        for name, text in decoded.items()
        if text != decoded.get(first) and _is_plausible(text)
    )
    return Encoding(_NAMES.get(first, first), told, others)


def _choose(decoded: dict[str, str], likely: Sequence[str]) -> str:
    """Return the encoding that charset-normalizer prefers, or cp1252 where it gives the same text."""
    tried = [*(name for name in likely if name in decoded), *decoded, "cp1252"]
    first = next((name for name in tried if _is_plausible(decoded.get(name, ""))), tried[0])
    return next((name for name in _SINGLE_BYTE if decoded.get(name) == decoded.get(first)), first)


def _is_plausible(text: str) -> bool:
    """Say whether what is not ASCII are letters, in words of one case or with a capital first, and common signs."""
    words = [word for word in text.split() if any(letter not in _SIGNS for letter in word if not letter.isascii())]
    sound = sum(_is_word(word) for word in words)
    return sound >= _MOST * len(words)


def _is_word(word: str) -> bool:
    beyond = [letter for letter in word if not letter.isascii() and letter not in _SIGNS]
    # ˆ and ﬂ are letters too, but of no word
    are_letters = all(
        unicodedata.category(letter) in ("Ll", "Lu", "Lo") and not unicodedata.decomposition(letter).startswith("<")
        for letter in beyond
    )
    return are_letters and (word[1:] == word[1:].lower() or word == word.upper() or not word.isalpha())


def _find_words(data: bytes) -> "Counter[bytes]":
    return Counter(re.findall(rb"[0-9A-Za-z]*[\x80-\xff][0-9A-Za-z\x80-\xff]*", data))


def _decode(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, LookupError):
        return None


def _shows(words: "Counter[bytes]", name: str) -> str:
    texts = [word.decode(name, "replace") for word, _ in words.most_common(3)]
    return ", ".join(texts)
