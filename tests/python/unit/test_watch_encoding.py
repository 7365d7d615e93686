"""Signs of another encoding: UTF-8 under the name of another one, control characters, and byte order marks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sales_warehouse.feeds.declare import Dialect
from sales_warehouse.load.outcome import FileRefused
from sales_warehouse.load.readers.parse_record import RecordGrammar
from sales_warehouse.load.readers.reader import Reader
from sales_warehouse.load.readers.split_records import TextReader


def read(content: bytes, block: int = 1000, **options: str) -> tuple[Reader, bytes]:
    """Read a text block by block; return its reader and the COPY data."""
    dialect = Dialect(**options)  # type: ignore[arg-type]
    reader = TextReader(dialect, RecordGrammar(dialect), 7)
    blocks = iter([content[at : at + block] for at in range(0, len(content), block)])
    header = reader.read_header(blocks).texts
    return reader, b"".join(one.copy_data for one in reader.read(blocks, [True] * len(header)))


# --- a file in UTF-8

# words of languages that the encoding has; signs of tills and office programs that follow a word directly
WORDS = {
    "cp1252": ["Crème", "café", "MENÜ", "NESCAFÉ", "GROẞ".replace("ẞ", "ß"), "Øl", "año", "IRMÃ", "Spaß", "tea"],
    "latin-1": ["Crème", "café", "MENÜ", "NESCAFÉ", "Øl", "año", "IRMÃ", "tea"],
    "cp1250": ["Żółw", "Michał", "ŁÓDŹ", "Kč", "tea"],
    "cp1251": ["Москва", "чай", "РЁВ", "tea"],
    "cp932": ["急須", "もも", "ﾐｿ", "ｶﾚｰ", "ﾃｨｰ", "ﾂｸ", "セット", "tea"],
    "gbk": ["联通", "茶", "tea"],
}
SIGNS = ["", "®", "™", "°", "”", "’", "»", "…", "²", "€"]


def drawn_text(data: st.DataObject, encoding: str) -> str:
    def is_known(text: str) -> bool:
        return text == text.encode(encoding, "ignore").decode(encoding)

    def is_no_other_word(text: str) -> bool:
        """`IRMÃ™` and `IRMÙ` in UTF-8 are the same bytes, and either may be meant."""
        try:
            return text.isascii() or not text.encode(encoding).decode().isupper()
        except UnicodeDecodeError:
            return True

    signs = st.sampled_from(SIGNS).filter(is_known)
    words = st.builds(str.__add__, st.sampled_from(WORDS[encoding]), signs).filter(is_no_other_word)
    lines = data.draw(st.lists(st.lists(words, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=6))
    return "".join(f"{line},1\n" for line in ["name", *lines])


@pytest.mark.parametrize("encoding", WORDS)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_sound_text_is_never_refused_by_chance(encoding: str, data: st.DataObject) -> None:
    read(drawn_text(data, encoding).encode(encoding), data.draw(st.integers(1, 60)), encoding=encoding)


def test_a_word_that_is_the_same_bytes_in_both_is_refused_since_a_wrong_letter_would_not_be_seen() -> None:
    with pytest.raises(FileRefused, match="Ù would become Ã™"):
        read("a,b\nPIÙ,1\nPIÙ,2\n".encode(), encoding="cp1252")


@pytest.mark.parametrize("encoding", WORDS)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_text_in_utf8_is_refused_under_any_other_encoding(encoding: str, data: st.DataObject) -> None:
    text = drawn_text(data, encoding)
    text += "ﾐｿ" if encoding == "cp932" else ""
    for word in WORDS[encoding][:3]:
        text += f"{word},1\n{word},2\n"
    with pytest.raises(FileRefused, match=r"the file is in UTF-8, the feed declares .* would become"):
        read(text.encode(), data.draw(st.integers(1, 60)), encoding=encoding)


@pytest.mark.parametrize(
    "text", ["Michał Żółw", "Καφές", "чай", "日本", "it’s, don’t", "5 €, 6 €", "😀 😀", "CAFÉ CRÈME", "École, Élan"]
)
def test_any_few_words_in_utf8_are_enough(text: str) -> None:
    with pytest.raises(FileRefused, match="declare on_encoding_drift: warn"):
        read(f"a,b\n{text},1\n".encode(), encoding="cp1252")


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa,b\n1,2\n", b"a,b\n\xe9,2\n\xef\xbb\xbfa,b\n1,2\n"])
@pytest.mark.parametrize("block", [1, 1000])
def test_a_byte_order_mark_of_utf8_is_enough(content: bytes, block: int) -> None:
    with pytest.raises(FileRefused, match="a byte order mark of UTF-8 is in the file"):
        read(content, block, encoding="latin-1")


@pytest.mark.parametrize("block", [7, 1000])
def test_lines_in_utf8_among_others_are_noted(block: int) -> None:
    utf8, others = "Crème,é\nx,ü\n".encode(), "Crème,é\n".encode("cp1252")
    for parts in (utf8 + others, others + utf8):
        reader, _ = read(b"a,b\n" + parts, block, encoding="cp1252")
        assert reader.notes == ("some lines look like UTF-8, the feed declares cp1252",)
    assert read("a,b\né,IRMÃ®\nSÃO,É®\n".encode("cp1252"), block, encoding="cp1252")[0].notes == ()


def test_a_file_in_utf8_is_loaded_with_a_note_where_declared() -> None:
    content = "a,b\nCrème,Café\n".encode()
    reader, copied = read(content, encoding="cp1252", on_encoding_drift="warn")
    assert copied.decode() == "7,00001,CrÃ¨me,CafÃ©\n"
    assert reader.notes == (
        "the file is in UTF-8, the feed declares cp1252: é would become Ã©: loaded as declared, because of "
        "on_encoding_drift: warn",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "ascii", "cp037", "iso2022_jp"])
def test_other_encodings_are_not_compared_with_utf8(encoding: str) -> None:
    text = "a,b\nx,y\n" if encoding in ("ascii", "iso2022_jp") else "a,b\nCrème,Café\n"
    assert read(text.encode(encoding), encoding=encoding)[0].notes == ()


# --- control characters


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_control_characters_of_a_wrong_encoding_are_counted(block: int) -> None:
    content = "a,b\ncaf£é ‘x’,5 €\n1,2\n“y”,é\n".encode("cp1252")
    reader, _ = read(content, block, encoding="latin-1")
    assert reader.notes == (
        "5 control characters (0x80 to 0x9F) in its text; in cp1252 they are letters and signs: compare the encoding "
        "of the feed, iso8859-1, with the file",
    )
    assert read(content, block, encoding="cp1252")[0].notes == ()
    assert read("a,b\n£,é\n".encode("latin-1"), block, encoding="latin-1")[0].notes == ()


def test_cp1252_is_not_suggested_where_it_does_not_have_the_bytes() -> None:
    reader, _ = read(b"a,b\n\x81,\xe9\n", encoding="iso8859-15")
    assert reader.notes == (
        "1 control character (0x80 to 0x9F) in its text; compare the encoding of the feed, iso8859-15, with the file",
    )


def test_no_control_character_is_counted_twice_around_a_quote_left_open() -> None:
    content = b'a,b\n"\xe9\x80,1\n\x80,2\n' + b"\x80,3\n" * 5
    for block in (1, 5, 1000):
        assert read(content, block, encoding="latin-1")[0].notes[0].startswith("7 control characters")


# --- byte order marks inside a file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_a_byte_order_mark_in_front_of_a_record_is_no_part_of_it(encoding: str, block: int) -> None:
    content = '\ufeff\ufeffa,b\n1,2\n\ufeffa,b\n\ufeff"3\n\ufeff4",5\n\ufeff\n6,\ufeff7\n'.encode(encoding)
    reader, copied = read(content, block, encoding=encoding)
    assert copied.decode() == '7,00001,1,2\n7,00002,a,b\n7,00003,"3\n\ufeff4",5\n7,00005,6,\ufeff7\n'
    assert reader.tally.skipped == 1
    assert reader.notes == (
        "files were joined: 2 byte order marks between records were left out",
        "byte order marks (U+FEFF) inside values were loaded as delivered",
    )


def test_a_header_behind_a_byte_order_mark_is_a_repeated_header() -> None:
    with pytest.raises(FileRefused, match="line 3 repeats the header"):
        read("a,b\n1,2\n\ufeffa,b\n".encode(), repeated_header="refuse")


def test_a_comment_behind_a_byte_order_mark_is_a_comment() -> None:
    assert read("a,b\n\ufeff# x\n1,2\n".encode(), comment="^#")[0].tally.skipped == 1
