"""The casts, by `dbt run-operation test_macros`."""

import re

from checkout import Checkout


def test_every_cast_gives_what_its_tables_of_cases_say(checkout: Checkout) -> None:
    checkout.warehouse("up")
    done = checkout.dbt("run-operation", "test_macros")
    tested = set(re.findall(r"test_macros: (\w+)\(", done.stdout))
    casts = {path.stem for path in (checkout.project / "macros" / "portable").glob("try_*.sql")}
    assert casts - tested == set()


def test_a_wrong_cast_is_named_with_what_it_was_given(checkout: Checkout) -> None:
    macro = checkout.project / "macros" / "portable" / "number_pattern.sql"
    sound = macro.read_text(encoding="utf-8")
    macro.write_text(sound.replace("[0-9]{3})+", "[0-9]{2,3})+"), encoding="utf-8")
    done = checkout.dbt("run-operation", "test_macros", check=False)
    macro.write_text(sound, encoding="utf-8")
    assert done.returncode != 0
    assert "of '£12,34.50': expected NULL, got '1234.5000'" in done.stdout
