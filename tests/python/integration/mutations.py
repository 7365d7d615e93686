"""Ways in which a model can be wrong, each with the test that must see it."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """One edit of one model: `old` is found in it once and becomes `new`; then `test` is red.

    Where `test` is the name of a model, the key of its table must refuse the rows.
    """

    model: str
    name: str
    old: str
    new: str
    test: str


LAST = "select * from final"
RAW_TO_STAGING = "reconciliation__raw_to_staging_balances"
STAGING_TO_FACT = "reconciliation__staging_to_fact_balances"
FACT_TO_DAILY = "reconciliation__fact_to_daily_balances"
FACT_TO_ORDERS = "reconciliation__fact_to_orders_balances"
FACT_TO_RETURNS = "reconciliation__fact_to_returns_balances"
DAILY_TO_MONTHLY = "reconciliation__daily_to_monthly_balances"
FILE_TO_RAW = "reconciliation__file_to_raw_balances"
PRICED = "fct_sales_lines__price_and_quantity_give_gross"

ONLINE = "stg_online_retail__invoice_lines"
STORE = "stg_store_orders__order_lines"
SUPER = "stg_superstore__order_lines"
TYPED = "int_sales__online_retail_lines_typed"
UNION = "int_sales__lines_unioned"
CATEGORIES = "int_products__categories_observed"

PERIOD = "on priced._file_id = periods.file_id"
PRODUCT = "{{ fit_decimal('cast(quantity as numeric(18, 4)) * unit_price', 18, 4) }}"
PRODUCT_OF_TENTHS = "{{ fit_decimal('round(cast(quantity as numeric(18, 4)) * unit_price, 1)', 18, 4) }}"
PRODUCT_TURNED = "{{ fit_decimal('-cast(quantity as numeric(18, 4)) * unit_price', 18, 4) }}"
ONLINE_RAW = "select * from {{ source('online_retail', 'invoice_lines') }}"
STORE_LINE = """        net_amount as gross_amount,
        cast(0 as numeric(18, 4)) as discount_amount,
        net_amount,
        cast(null as numeric(18, 4)) as cost_amount,
        currency,
        true as is_merchandise,"""
RATE_OF_DAY = "and lines.order_date = exchange_rates.rate_date"
CALENDAR_DAY = "on lines.order_date = days.date_day"

MUTATIONS = (
    # what a staging model loses or doubles shows beside the raw table, what it works out wrongly beside the price
    Mutation(ONLINE, "drop a row", LAST, f"{LAST} where _row_number <> 1", RAW_TO_STAGING),
    Mutation(ONLINE, "double a join", PERIOD, PERIOD.replace("=", ">="), "fct_returns"),
    Mutation(
        ONLINE,
        "lose a file",
        ONLINE_RAW,
        f"{ONLINE_RAW} where _file_id <> (select min(_file_id) from ({ONLINE_RAW}) as delivered_rows)",
        RAW_TO_STAGING,
    ),
    Mutation(ONLINE, "round early", PRODUCT, PRODUCT_OF_TENTHS, PRICED),
    Mutation(STORE, "filter quarantined rows away", "from checked\n", "from checked where issues = ''\n",
             RAW_TO_STAGING),
    Mutation(STORE, "double a join", PERIOD, PERIOD.replace("=", ">="), RAW_TO_STAGING),
    Mutation(STORE, "swap a sign", PRODUCT, PRODUCT_TURNED, PRICED),
    Mutation(SUPER, "drop a row", LAST, f"{LAST} where _row_number <> 1", RAW_TO_STAGING),
    # price, discount and cost follow from the wrong amount, and agree: only rows with a known answer tell
    Mutation(
        SUPER,
        "round early",
        "div('net_amount', '1 - discount_rate', 28, 4)",
        "div('net_amount', '1 - discount_rate', 28, 1)",
        "superstore_works_amounts_out_of_the_discounted_total",
    ),
    # from the models between
    Mutation(
        TYPED,
        "filter a line type away",
        "where invoice_lines.row_status = 'accepted'",
        "where invoice_lines.row_status = 'accepted' and not invoice_lines.is_cancellation",
        STAGING_TO_FACT,
    ),
    Mutation(
        TYPED,
        "double a join",
        "on invoice_lines.product_id = non_product_codes.stock_code",
        "on invoice_lines.product_id >= non_product_codes.stock_code",
        STAGING_TO_FACT,
    ),
    Mutation(UNION, "lose a source", "    union all\n    select * from store_orders\n", "", STAGING_TO_FACT),
    Mutation(UNION, "double a source", "    select * from superstore\n",
             "    select * from superstore union all select * from superstore\n", STAGING_TO_FACT),
    Mutation(UNION, "swap a sign", STORE_LINE, STORE_LINE.replace("net_amount", "-net_amount", 1)
             .replace("        net_amount,", "        -net_amount as net_amount,"), STAGING_TO_FACT),
    Mutation(CATEGORIES, "double rows", LAST, f"{LAST} union all {LAST}",
             "unique_combination_int_products__categories_observed__file_id__product_key__order_date"),
    # the facts
    Mutation("fct_sales_lines", "drop a row", LAST, f"{LAST} where _row_number <> 1", STAGING_TO_FACT),
    Mutation("fct_sales_lines", "double a join", RATE_OF_DAY,
             "and exchange_rates.rate_date between lines.order_date - 1 and lines.order_date", "fct_returns"),
    Mutation("fct_sales_lines", "round the converted amount early", "exchange_rates.fx_rate, 4)",
             "exchange_rates.fx_rate, 1)", "fct_sales_lines__reporting_amount_is_converted_and_rounded_once"),
    Mutation("fct_sales_lines", "swap a sign", "lines.quantity,", "-lines.quantity as quantity,", STAGING_TO_FACT),
    Mutation("fct_orders", "drop orders", LAST, f"{LAST} where line_count > 1", FACT_TO_ORDERS),
    Mutation("fct_orders", "double orders", LAST, f"{LAST} union all {LAST}", "fct_orders"),
    Mutation("fct_orders", "filter a line type away", "from lines\n", "from lines where line_type <> 'fee'\n",
             FACT_TO_ORDERS),
    Mutation("fct_orders", "round the converted amount early", "cast(net_sales_amount_reporting as",
             "cast(round(net_sales_amount_reporting, 0) as", FACT_TO_ORDERS),
    Mutation("fct_orders", "swap a sign", "cast(quantity as", "cast(-quantity as", FACT_TO_ORDERS),
    Mutation("fct_returns", "filter a line type away", "where line_type in ('return', 'cancellation')",
             "where line_type = 'return'", FACT_TO_RETURNS),
    Mutation("fct_returns", "double rows", LAST, f"{LAST} union all {LAST}", "fct_returns"),
    Mutation("fct_returns", "round the converted amount early", "cast(-return_lines.net_amount_reporting",
             "cast(-round(return_lines.net_amount_reporting, 0)", FACT_TO_RETURNS),
    # what amounts are converted and dated by
    Mutation("fct_exchange_rates", "drop the days between", "| int + 1)", "| int * 0 + 1)",
             "fct_sales_lines__every_line_has_an_exchange_rate"),
    Mutation("fct_exchange_rates", "double rows", LAST, f"{LAST} union all {LAST}", "fct_exchange_rates"),
    Mutation("fct_exchange_rates", "round early", "'units_per_euro', 18, 10)", "'units_per_euro', 18, 2)",
             "rates_cross_through_the_euro_and_hold_for_some_days"),
    Mutation("dim_date", "drop a day", LAST, f"{LAST} where day_of_month <> 5", DAILY_TO_MONTHLY),
    Mutation("dim_date", "double days", LAST, f"{LAST} union all {LAST}", "dim_date"),
    # the aggregates
    Mutation("agg_sales_daily", "filter a line type away", "where {{", "where line_type <> 'adjustment' and {{",
             FACT_TO_DAILY),
    Mutation("agg_sales_daily", "take fees for sales", "sum(case when is_merchandise then net_amount else 0 end)",
             "sum(net_amount)", FACT_TO_DAILY),
    Mutation("agg_sales_daily", "round the converted amount early", "cast(sum(net_amount_reporting) as",
             "cast(round(sum(net_amount_reporting), 0) as", FACT_TO_DAILY),
    Mutation("agg_sales_monthly", "double a join", CALENDAR_DAY,
             "on days.date_day between lines.order_date and lines.order_date + 1", DAILY_TO_MONTHLY),
    Mutation("agg_sales_monthly", "swap a sign", "cast(sum(lines.quantity) as", "cast(-sum(lines.quantity) as",
             DAILY_TO_MONTHLY),
    Mutation("agg_sales_monthly", "take fees for sales",
             "sum(case when lines.is_merchandise then lines.net_amount_reporting else 0 end)",
             "sum(lines.net_amount_reporting)", DAILY_TO_MONTHLY),
    # the figures the gate itself stands on
    Mutation("raw_figures", "lose a file", "from final", "from final where _file_id > 1", FILE_TO_RAW),
    Mutation("row_fates", "filter skipped rows away", "from staged_rows",
             "from staged_rows where row_status <> 'skipped'", RAW_TO_STAGING),
    Mutation("fact_figures", "filter a line type away", "where {{", "where line_type <> 'fee' and {{", STAGING_TO_FACT),
    Mutation("fact_figures", "round early", "cast(sum(net_amount_reporting) as",
             "cast(round(sum(net_amount_reporting), 0) as", FACT_TO_DAILY),
    Mutation("reconciliation", "lose a file", "where file_id in ({{ active_files() }})",
             "where file_id in ({{ active_files() }}) and file_id > 1", FILE_TO_RAW),
    Mutation("reconciliation", "lose an arrow", "    from all_arrows\n",
             "    from all_arrows where arrow <> 'fact_to_orders'\n", FACT_TO_ORDERS),
    Mutation("feed_issues", "drop a code", LAST, f"{LAST} where issue_code <> 'row:exact_duplicate'",
             "feed_issues__every_code_is_counted"),
)  # fmt: skip
