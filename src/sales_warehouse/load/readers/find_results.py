"""Find out whether the formulas of an XLS sheet were ever computed."""

import re
import struct

_FORMULA, _BEGIN, _END = 0x0006, 0x0809, 0x000A  # kinds of records
_COMPUTE_WHEN_OPENED = 0x0002
_ZERO, _EMPTY = bytes(8), re.compile(rb"\x03.{5}\xff\xff", re.DOTALL)
# What such a formula looks like; found in other bytes by chance too, so only a sheet without it needs no closer look.
_CANDIDATE = re.compile(rb"\x06\x00.{8}(?:\x03.{5}\xff\xff|\x00{8})", re.DOTALL)


def has_no_results(stream: bytes, start: int) -> bool:
    """Say whether a sheet has formulas and none with a result; its records, of BIFF5 or BIFF8, begin at `start`.

    A program that does not compute stores an empty text, or 0 and the flag "compute when opened".
    """
    if _CANDIDATE.search(stream, start) is None:
        return False
    has_formulas = False
    depth, at = 0, start
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        depth += (kind == _BEGIN) - (kind == _END)  # a chart inside the sheet has an end of its own
        if depth == 0:
            break
        if kind == _FORMULA:
            result, flags = stream[at + 10 : at + 18], int.from_bytes(stream[at + 18 : at + 20], "little")
            if not _EMPTY.fullmatch(result) and not (result == _ZERO and flags & _COMPUTE_WHEN_OPENED):
                return False
            has_formulas = True
        at += 4 + size
    return has_formulas
