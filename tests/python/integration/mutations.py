"""Ways in which a model can be wrong, each with the test that must fail."""

from typing import NamedTuple


class Mutation(NamedTuple):
    """An edit of one model: `old` occurs in it once and is replaced by `new`, and then `test` fails.

    If `test` is the name of a model, the key or a NOT NULL of its table must reject the rows.
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
KNOWN = "relationships_fct_sales_lines_{0}__{0}__ref_dim_{1}_"
CORRECTLY_RATED = "fct_exchange_rates__a_rate_undoes_the_reference_rate"

ONLINE = "stg_online_retail__invoice_lines"
STORE = "stg_store_orders__order_lines"
SUPER = "stg_superstore__order_lines"
TYPED = "int_sales__online_retail_lines_typed"
UNION = "int_sales__lines_unioned"
EVENTS = "stg_web_shop__order_events"
DECIDED = "int_events__records_decided"

# the end of the call that makes a staging model or the union, which ends with `select * from final`
MADE = ") }}"
PRODUCT = "'is': 'cast(quantity as numeric(18, 4)) * unit_price'"
PRODUCT_OF_TENTHS = "'is': 'round(cast(quantity as numeric(18, 4)) * unit_price, 1)'"
PRODUCT_TURNED = "'is': '-cast(quantity as numeric(18, 4)) * unit_price'"
ONLINE_RAW = "source('online_retail', 'invoice_lines')"
WITHOUT_FIRST_FILE = f"""'(select * from ' ~ {ONLINE_RAW} ~ ' where _file_id <> (select min(_file_id) from '
    ~ {ONLINE_RAW} ~ ')) as some_rows'"""
UNITED = """\
{{ union_sales_lines([
    'int_sales__city_stores_lines_located',
    'int_sales__online_retail_lines_typed',
    'stg_store_orders__order_lines_typed',
    'stg_superstore__order_lines_typed',
    'stg_web_shop__order_events_typed',
]) }}"""
TURNED = f"""\
select
    {{{{ columns_of('int_sales__lines_unioned') | join(', ') | replace('gross_amount', '-gross_amount as gross_amount')
        | replace('net_amount', '-net_amount as net_amount') }}}}
from ({UNITED}) as united"""
WITHOUT_REGION = f"""\
select
    {{{{ columns_of('int_sales__lines_unioned') | join(', ') | replace(', region', ', null as region') }}}}
from ({UNITED}) as united"""
RATE_OF_DAY = "and lines.order_date = exchange_rates.rate_date"
CALENDAR_DAY = "on daily_sales.order_date = days.date_day"
A_DAY_LATE = "on days.date_day between daily_sales.order_date and daily_sales.order_date + 1"
CLASS_A = """accumulated.counted_amount
                < accumulated.total_amount * {{ var('abc_share_of_a') }}"""
SOLD = "where is_merchandise and line_type = 'sale' and {{ only_sampled_dates('order_date') }}"
THEN_PRODUCTS = "\n\n),\n\nproducts as ("
RETURNS_OF_MONTH = "monthly_sales.month_start_date = monthly_returns.month_start_date\n            and "

MUTATIONS = (
    # lost and doubled rows of a staging model differ from the raw table, wrong values from the price
    Mutation(ONLINE, "drop a row", f"columns{MADE}", f"columns{MADE} where _row_number <> 1", RAW_TO_STAGING),
    Mutation(ONLINE, "double rows", f"columns{MADE}", f"columns{MADE} union all {LAST}", "fct_returns"),
    Mutation(ONLINE, "drop a file", ONLINE_RAW, WITHOUT_FIRST_FILE, RAW_TO_STAGING),
    Mutation(ONLINE, "round early", PRODUCT, PRODUCT_OF_TENTHS, PRICED),
    *(
        Mutation(
            f"{staged}_typed",
            "drop a row",
            f"{{{{ typed_rows('{staged}') }}}}",
            f"{{{{ typed_rows('{staged}') }}}} and _row_number <> 1",
            RAW_TO_STAGING,
        )
        for staged in (ONLINE, STORE, SUPER, "stg_city_stores__receipt_lines", "stg_city_stores__stores")
    ),
    Mutation(STORE, "filter out quarantined rows", MADE, f"{MADE} where row_status <> 'quarantined'", RAW_TO_STAGING),
    Mutation(STORE, "double rows", MADE, f"{MADE} union all {LAST}", RAW_TO_STAGING),
    Mutation(STORE, "swap a sign", PRODUCT, PRODUCT_TURNED, PRICED),
    Mutation(SUPER, "drop a row", "\n) }}", "\n) }} where _row_number <> 1", RAW_TO_STAGING),
    # price, discount and cost follow from the wrong amount and agree with it: only rows with a known answer fail
    Mutation(
        SUPER,
        "round early",
        "div('net_amount', '1 - discount_rate', 28, 4)",
        "div('net_amount', '1 - discount_rate', 28, 1)",
        "superstore_computes_amounts_from_the_discounted_total",
    ),
    # intermediate models
    Mutation(
        TYPED,
        "filter out a line type",
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
    Mutation(UNION, "drop a source", MADE, f"{MADE} where source_system <> 'store_orders'", STAGING_TO_FACT),
    Mutation(UNION, "double a source", MADE, f"{MADE} union all {LAST} where source_system = 'superstore'",
             STAGING_TO_FACT),
    Mutation(UNION, "swap a sign", UNITED, TURNED, STAGING_TO_FACT),
    Mutation(UNION, "forget where an order was sold", UNITED, WITHOUT_REGION, "all_sources_have_one_shape"),
    # the topic has no messages here: unit tests have some
    Mutation(EVENTS, "read another clock", "'is': utc_clock('_sent_at')", "'is': 'cast(null as timestamp)'",
             "web_shop_orders_belong_to_the_day_of_their_store"),
    Mutation(DECIDED, "count all", "        decision,\n", "        'counted' as decision,\n",
             "events_are_decided_by_time_and_place_not_by_arrival"),
    Mutation("event_figures", "add a row", LAST, f"{LAST} union all select 'f', 'counted', 1, 1, 0, 0, 0",
             "reconciliation__events_to_outcomes_balances"),
    # facts
    Mutation("fct_sales_lines", "drop a row", LAST, f"{LAST} where _row_number <> 1", STAGING_TO_FACT),
    Mutation("fct_sales_lines", "double a join", RATE_OF_DAY,
             "and exchange_rates.rate_date between lines.order_date - 1 and lines.order_date", "fct_returns"),
    Mutation("fct_sales_lines", "round the converted amount early", "exchange_rates.fx_rate, 4)",
             "exchange_rates.fx_rate, 1)", "fct_sales_lines__reporting_amount_is_converted_and_rounded_once"),
    Mutation("fct_sales_lines", "swap a sign", "lines.quantity,", "-lines.quantity as quantity,", STAGING_TO_FACT),
    Mutation("fct_orders", "drop orders", LAST, f"{LAST} where line_count > 1", FACT_TO_ORDERS),
    Mutation("fct_orders", "double orders", LAST, f"{LAST} union all {LAST}", "fct_orders"),
    Mutation("fct_orders", "filter out a line type", "from lines\n", "from lines where line_type <> 'fee'\n",
             FACT_TO_ORDERS),
    Mutation("fct_orders", "round the converted amount early", "cast(net_sales_amount_reporting as",
             "cast(round(net_sales_amount_reporting, 0) as", FACT_TO_ORDERS),
    Mutation("fct_orders", "swap a sign", "cast(quantity as", "cast(-quantity as", FACT_TO_ORDERS),
    Mutation("fct_returns", "filter out a line type",
             "and line_type in ('return', 'cancellation')\n        and {{ is_due }}",
             "and line_type = 'return'\n        and {{ is_due }}", FACT_TO_RETURNS),
    Mutation("fct_returns", "double rows", LAST, f"{LAST} union all {LAST}", "fct_returns"),
    Mutation("fct_returns", "round the converted amount early", "cast(-net_amount_reporting",
             "cast(-round(net_amount_reporting, 0)", FACT_TO_RETURNS),
    # what amounts are converted with and dated by
    Mutation("fct_exchange_rates", "drop the days without a published rate", "| int + 1)", "| int * 0 + 1)",
             "fct_sales_lines__every_line_has_an_exchange_rate"),
    Mutation("fct_exchange_rates", "double rows", LAST, f"{LAST} union all {LAST}", "fct_exchange_rates"),
    Mutation("fct_exchange_rates", "round early", "'units_per_euro', 18, 10)", "'units_per_euro', 18, 2)",
             CORRECTLY_RATED),
    Mutation("dim_date", "drop a day", LAST, f"{LAST} where day_of_month <> 5", DAILY_TO_MONTHLY),
    Mutation("dim_date", "double days", LAST, f"{LAST} union all {LAST}", "dim_date"),
    # aggregates
    Mutation("agg_sales_daily", "filter out a line type", "where {{", "where line_type <> 'adjustment' and {{",
             FACT_TO_DAILY),
    Mutation("agg_sales_daily", "count fees as sales", "sum(case when is_merchandise then net_amount else 0 end)",
             "sum(net_amount)", FACT_TO_DAILY),
    Mutation("agg_sales_daily", "round the converted amount early", "cast(sum(net_amount_reporting) as",
             "cast(round(sum(net_amount_reporting), 0) as", FACT_TO_DAILY),
    Mutation("agg_sales_monthly", "double a join", CALENDAR_DAY, A_DAY_LATE, DAILY_TO_MONTHLY),
    Mutation("agg_sales_monthly", "swap a sign", "cast(months.quantity as", "cast(-months.quantity as",
             DAILY_TO_MONTHLY),
    Mutation("agg_sales_monthly", "count fees as sales", "sum(daily_sales.net_sales_amount_reporting)",
             "sum(daily_sales.net_amount_reporting)", DAILY_TO_MONTHLY),
    Mutation("agg_sales_monthly", "count an order on each of its days", " - coalesce(repeated_orders.repeat_count, 0)",
             "", "monthly_sales_count_an_order_once_a_month"),
    Mutation("agg_sales_monthly", "count the products of an order", "    select distinct\n", "    select\n",
             "monthly_sales_count_an_order_once_a_month"),
    Mutation("fct_order_days", "drop the last day", LAST, f"{LAST} where line_date < last_order_date",
             "only_orders_of_several_days_are_kept_by_day"),
    Mutation("fct_order_days", "keep orders of one day", "where order_date < last_order_date and", "where",
             "fct_order_days__lines_are_within_the_days_of_their_order"),
    Mutation("fct_order_days", "sell fees", "is_merchandise and line_type = 'sale' as", "line_type = 'sale' as",
             "only_orders_of_several_days_are_kept_by_day"),
    Mutation("fct_orders_daily", "drop orders of several days", "    from orders\n",
             "    from orders where order_date = last_order_date\n", "an_order_belongs_to_the_day_of_its_first_line"),
    Mutation("fct_orders_daily", "count returns as baskets", "sold_product_count > 1", "line_count > 1",
             "fct_orders_daily__days_have_all_their_orders"),
    Mutation("fct_orders_daily", "count only orders of customers", "count(*) as order_count",
             "count(customer_id) as order_count", "fct_orders_daily__days_have_all_their_orders"),
    Mutation("fct_orders_daily", "end with the day of the first lines", "max(last_order_date) as",
             "max(order_date) as", "an_order_belongs_to_the_day_of_its_first_line"),
    Mutation("fct_orders_daily", "leave out the lines of other orders", "cast(sum(line_count)",
             "cast(max(line_count)", FACT_TO_ORDERS),
    Mutation("fct_orders_daily", "count known as unknown", "case when customer_id is null",
             "case when customer_id = ''", "fct_orders_daily__days_have_all_their_orders"),
    # dimensions: a fact misses a lost member, the key rejects a duplicate one
    Mutation("dim_date", "compare with a day one week too late", "date_day - 364", "date_day - 357",
             "the_calendar_knows_iso_weeks_and_leap_days"),
    Mutation("dim_source", "drop a row", LAST, f"{LAST} where source_system <> 'superstore'",
             KNOWN.format("source_system", "source")),
    Mutation("dim_channel", "drop a row", LAST, f"{LAST} where is_digital is not null",
             KNOWN.format("channel", "channel")),
    Mutation("dim_channel", "double rows", LAST, f"{LAST} union all {LAST}", "dim_channel"),
    Mutation("dim_customer", "drop the unknown member", LAST, f"{LAST} where is_known",
             KNOWN.format("customer_key", "customer")),
    Mutation("dim_customer", "drop customers who never bought", "ref('fct_customer_purchases') }}\n",
             "ref('fct_customer_purchases') }} where order_count > 0\n", "dim_customer__all_customers_are_there"),
    Mutation("fct_customer_days", "drop days without a country", LAST, f"{LAST} where country is not null",
             "the_latest_line_of_a_day_gives_the_country"),
    Mutation("fct_customer_days", "take the first line of the day", "lines.country is null\n            order by\n"
             "                lines.ordered_at desc", "lines.country is null\n            order by\n"
             "                lines.ordered_at asc",
             "the_latest_line_of_a_day_gives_the_country"),
    Mutation("fct_customer_days", "settle countries only", "coalesce(last_customer_segment, '')",
             "coalesce(first_customer_segment, '')", "the_latest_line_of_a_day_gives_the_country"),
    Mutation("fct_customer_days", "settle lines without a value too", ", lines.customer_segment is null", "",
             "the_latest_line_of_a_day_gives_the_country"),
    Mutation("fct_customer_purchases", "drop a customer", LAST, f"{LAST} where order_count <> 1",
             "fct_customer_purchases__customers_have_all_orders"),
    Mutation("fct_customer_purchases", "count months as orders", "sum(order_count)", "count(*)",
             "fct_customer_purchases__customers_have_all_their_months"),
    Mutation("fct_customer_purchases", "round early", "sum(net_sales_amount_reporting)",
             "round(sum(net_sales_amount_reporting), 0)", "fct_customer_purchases__customers_have_all_orders"),
    Mutation("fct_customer_purchases", "use the first order as the last", "max(last_order_date)",
             "min(last_order_date)", "a_customer_is_the_sum_of_months"),
    Mutation("fct_orders", "count an order in each currency", ") = 1 as is_counted", ") > 0 as is_counted",
             "an_order_has_its_lines_of_every_file_day_and_type"),
    Mutation("fct_orders_daily", "count returns as sales", "customer_id is not null and is_counted",
             "customer_id is not null", "fct_orders_daily__days_have_all_their_orders"),
    Mutation("fct_customer_months", "count an order in each month", "when days.is_counted", "when days.is_sale",
             "a_return_alone_is_no_activity"),
    Mutation("fct_customer_months", "take a line for an order", "months.row_count > 0", "months.row_count >= 0",
             "a_return_alone_is_no_activity"),
    Mutation("fct_customer_months", "drop months without a sale", LAST, f"{LAST} where is_active",
             "a_return_alone_is_no_activity"),
    Mutation("fct_customer_months", "drop a customer", LAST, f"{LAST} where customer_key not like '%1%'",
             "customers_new_and_returning__months_have_the_net_sales_of_all_orders"),
    Mutation("fct_customer_months", "count returns as activity", "min(case when days.is_sale",
             "min(case when days.is_order",
             "a_return_alone_is_no_activity"),
    Mutation("dim_product", "drop products that were renamed", "where is_current",
             "where is_current and version_number = 1", "dim_product__products_are_those_observed"),
    Mutation("dim_product", "keep old versions", "    where is_current\n", "", "dim_product"),
    Mutation("dim_product", "use the first month as the last", "max(last_date)", "min(last_date)",
             "a_product_is_its_current_version"),
    Mutation("dim_product_history", "drop versions of one day", "from numbered\n",
             "from numbered where first_date < last_date\n",
             "dim_product__products_are_those_observed"),
    Mutation("dim_product_history", "mark the first version as current", "valid_to_date is null as is_current",
             "version_number = 1 as is_current",
             "dim_product_history__versions_end_after_they_begin_or_are_current"),
    Mutation("dim_product_history", "end a version on the last day of the next", "lead(first_date)", "lead(last_date)",
             "a_version_lasts_until_the_name_or_category_changes"),
    Mutation("fct_product_days", "drop a source", "{{ only_touched_dates('order_date') }}\n    group by",
             "source_system <> 'store_orders'\n    group by", KNOWN.format("product_key", "product")),
    Mutation("fct_product_days", "settle lines without a value too", ", lines.product_category is null", "",
             "the_latest_line_of_a_day_gives_the_product_name"),
    Mutation("fct_product_days", "take the first line of the day",
             "is null\n            order by\n                lines.ordered_at desc nulls last,\n                lines._file_id desc nulls last,\n"
             "                lines._row_number desc nulls last,\n                -- items of one record\n"
             "                lines.sales_line_id desc nulls last\n        ) as recency_of_product_name",
             "is null\n            order by lines.sales_line_id asc nulls last\n        ) as recency_of_product_name",
             "the_latest_line_of_a_day_gives_the_product_name"),
    Mutation("fct_product_days", "settle names only", "< (coalesce(last_name, ''), coalesce(last_category, '')",
             "< (coalesce(last_name, ''), coalesce(first_category, '')",
             "the_latest_line_of_a_day_gives_the_product_name"),
    Mutation("fct_product_days", "forget that a category has no sub-category",
             "case when product_category is not null then 'unknown' end", "case when false then 'unknown' end",
             "the_latest_line_of_a_day_gives_the_product_name"),
    Mutation("fct_product_observations", "drop a source", "ref('fct_product_days') }}\n    where ",
             "ref('fct_product_days') }}\n    where source_system <> 'store_orders' and ",
             KNOWN.format("product_key", "product")),
    # stores
    Mutation("stg_city_stores__receipt_lines", "drop a row", f"columns{MADE}", f"columns{MADE} where _row_number <> 1",
             RAW_TO_STAGING),
    Mutation("stg_city_stores__receipt_lines", "swap a sign", PRODUCT, PRODUCT_TURNED, PRICED),
    Mutation("stg_city_stores__stores", "drop a row", f"columns{MADE}", f"columns{MADE} where _row_number <> 1",
             RAW_TO_STAGING),
    Mutation("int_lookups__city_stores__stores_periods", "drop a store", f"stores'{MADE}",
             f"stores'{MADE} and store_id <> '01'", "a_store_is_as_the_last_list_before_the_day_says"),
    Mutation("int_sales__city_stores_lines_located", "end all days at midnight",
             "{{ business_day('ordered_at', 'stores__day_ends_at') }}", "cast(ordered_at as date)",
             "a_sale_at_night_belongs_to_the_day_before"),
    Mutation("int_sales__city_stores_lines_located", "drop a row", LAST, f"{LAST} where _row_number <> 1",
             STAGING_TO_FACT),
    Mutation("int_stores__listed", "double rows", "stores'])", "stores', 'stg_city_stores__stores'])",
             "unique_combination_int_stores__listed_source_system__store_id__valid_from_date"),
    Mutation("fct_store_sales_daily", "keep lines without a store", " and store_id is not null", "",
             "a_store_has_its_lines_of_the_day"),
    Mutation("fct_store_sales_daily", "drop a store", LAST, f"{LAST} where store_id <> '01'",
             "fct_store_sales_daily__stores_have_all_their_lines"),
    Mutation("fct_store_sales_daily", "count fees as sales",
             "sum(case when is_merchandise then net_amount_reporting else 0 end)", "sum(net_amount_reporting)",
             "a_store_has_its_lines_of_the_day"),
    Mutation("dim_store_history", "begin a version with each list", "else 0\n        end as is_change",
             "else 1\n        end as is_change", "a_version_of_a_store_lasts_until_a_list_says_something_else"),
    Mutation("dim_store_history", "forget stores of lines alone", "where listed.store_key is null", "where false",
             "a_version_of_a_store_lasts_until_a_list_says_something_else"),
    Mutation("dim_store_history", "begin with the first list", "when version_number > 1 then",
             "when version_number > 0 then", "a_version_of_a_store_lasts_until_a_list_says_something_else"),
    Mutation("dim_store", "drop the unknown member", LAST, f"{LAST} where store_id is not null",
             KNOWN.format("store_key", "store")),
    Mutation("dim_store", "keep old versions", "    where is_current\n", "", "a_store_is_its_current_version"),
    Mutation("store_sales_compared", "drop what no store sold",
             "where all_days.line_count > coalesce(days_of_all_stores.line_count, 0)", "where false",
             "store_sales_compared__months_have_all_sales"),
    Mutation("store_sales_compared", "double a join", "            and compared.store_key = shut_stores.store_key\n",
             "", "comparable_stores_are_open_in_both_periods"),
    Mutation("dim_country", "drop the unknown member", LAST, f"{LAST} where country_code <> 'unknown'",
             "delivered_countries__all_sales_are_included"),
    Mutation("dim_country_alias", "double an alias", LAST, f"{LAST} union all {LAST} where alias = 'ie'",
             "dim_country_alias"),
    Mutation("delivered_countries", "know all names", "aliases.alias is not null", "daily_sales.country is not null",
             "names_of_one_country_are_conformed"),
    Mutation("delivered_countries", "drop unknown names", "left join aliases", "inner join aliases",
             "names_of_one_country_are_conformed"),
    # reports, whose totals are those of their sources
    Mutation("agg_product_sales_monthly", "double a join", CALENDAR_DAY, A_DAY_LATE,
             "agg_product_sales_monthly__products_have_the_net_sales_of_the_month"),
    Mutation("agg_product_sales_monthly", "drop other orders of the product", "left join repeated_orders\n",
             "inner join repeated_orders\n", "agg_product_sales_monthly__products_have_the_net_sales_of_the_month"),
    Mutation("agg_product_sales_monthly", "count an order on each of its days",
             " - coalesce(repeated_orders.repeat_count, 0)", "", "months_add_up_their_days_and_count_an_order_once"),
    Mutation("agg_product_sales_daily", "count fees as sales", " and is_merchandise\n", "\n",
             "agg_product_sales_daily__products_have_the_net_sales_of_the_day"),
    Mutation("agg_product_sales_daily", "count returns as sold",
             "case when line_type = 'sale' then net_amount else 0 end", "net_amount",
             "only_goods_count_and_returns_lower_net_sales"),
    Mutation("agg_product_sales_daily", "count the pieces of returns as sold",
             "case when line_type = 'sale' then quantity else 0 end", "quantity",
             "only_goods_count_and_returns_lower_net_sales"),
    Mutation("agg_product_sales_daily", "add returned pieces", "cast(sum(quantity)", "cast(sum(abs(quantity))",
             "agg_product_sales_daily__products_have_the_net_sales_of_the_day"),
    Mutation("agg_product_sales_daily", "count returns as orders",
             "distinct case when line_type = 'sale' then order_id end", "distinct order_id",
             "only_goods_count_and_returns_lower_net_sales"),
    Mutation("agg_product_sales_daily", "count the lines of an order", "count(distinct case", "count(case",
             "only_goods_count_and_returns_lower_net_sales"),
    Mutation("product_abc", "drop a row", LAST, f"{LAST} where sales_rank <> 1",
             "product_abc__products_have_the_net_sales_of_all_months"),
    Mutation("product_abc", "share all sources", "over (partition by source_system) as total_amount",
             "over () as total_amount", "product_abc__shares_add_up_to_one"),
    Mutation("product_abc", "count the product itself", f" - {CLASS_A}",
             CLASS_A.replace("accumulated.counted_amount", ""),
             "classes_follow_the_share_of_the_products_before"),
    Mutation("product_pair_candidates", "let all products be candidates", ">= greatest(", ">= 0 * greatest(",
             "products_in_too_few_orders_are_no_candidates"),
    Mutation("agg_product_pairs_monthly", "count orders with one product", "sold_product_count > 1",
             "sold_product_count > 0", "a_pair_counts_the_orders_of_the_month"),
    Mutation("agg_product_pairs_monthly", "count the lines of an order", "    group by order_key, product_number\n", "",
             "a_pair_counts_the_orders_of_the_month"),
    Mutation("agg_product_pairs_monthly", "both ways",
             "first_products.product_number <= second_products.product_number",
             "first_products.product_number <> second_products.product_number",
             "agg_product_pairs_monthly__each_pair_is_there_once"),
    Mutation("product_affinity", "pair a product with itself", "pairs.first_product_key < pairs.second_product_key",
             "pairs.first_product_key <= pairs.second_product_key", "product_affinity__each_pair_is_there_once"),
    Mutation("product_affinity", "count returns as sales", f"{SOLD}{THEN_PRODUCTS}",
             SOLD.replace(" and line_type = 'sale'", "") + THEN_PRODUCTS,
             "a_pair_counts_orders_not_lines_and_must_be_frequent"),
    Mutation("product_affinity", "count one product of two currencies twice",
             "    having count(distinct lines.product_key) > 1\n", "",
             "a_pair_counts_orders_not_lines_and_must_be_frequent"),
    Mutation("product_affinity", "drop orders of two currencies",
             "        union all\n\n        select * from orders_of_two_currencies\n", "",
             "a_pair_counts_orders_not_lines_and_must_be_frequent"),
    Mutation("returns_analysis", "drop rows without a return", "left join monthly_returns",
             "inner join monthly_returns", "returns_analysis__all_sales_are_included"),
    Mutation("returns_analysis", "double a join", RETURNS_OF_MONTH, "",
             "a_rate_needs_sales_and_an_average_needs_matches"),
    Mutation("returns_analysis", "match all returns", "sum(case when returns.is_matched then 1 else 0 end)", "count(*)",
             "a_rate_needs_sales_and_an_average_needs_matches"),
    Mutation("returns_analysis", "round early", "sum(returns.return_amount_reporting)",
             "sum(round(returns.return_amount_reporting, 0))", "returns_analysis__all_returns_are_included"),
    Mutation("sales_daily_compared", "drop the first day", "between series.first_date and series.last_date",
             "between series.first_date + 1 and series.last_date", "sales_daily_compared__each_day_has_its_net_sales"),
    Mutation("sales_daily_compared", "count fees as sales", "sum(net_sales_amount) as net_sales_amount",
             "sum(net_amount) as net_sales_amount", "sales_daily_compared__each_day_has_its_net_sales"),
    Mutation("sales_daily_compared", "continue past the end of the month", "currency, month_start_date order",
             "currency order", "sales_daily_compared__to_date_begins_anew_each_month"),
    Mutation("sales_daily_compared", "average a day too many", "between 6 preceding", "between 7 preceding",
             "averages_are_null_until_all_days_exist"),
    Mutation("sales_weekly_compared", "drop weeks that are not complete", LAST, f"{LAST} where is_complete",
             "sales_weekly_compared__weeks_have_the_net_sales_of_all_days"),
    Mutation("sales_weekly_compared", "begin a week a day early", "        calendar.iso_week_start_date,\n        days",
             "        calendar.iso_week_start_date - 1 as iso_week_start_date,\n        days",
             "sales_weekly_compared__a_complete_week_has_its_seven_days"),
    Mutation("sales_weekly_compared", "compare with the week after", "weeks.iso_week_start_date asc nulls last",
             "weeks.iso_week_start_date desc nulls last", "consecutive_whole_weeks_have_a_change"),
    Mutation("sales_monthly_compared", "double a join", "on days.date_day = calendar.date_day\n    group",
             "on calendar.date_day between days.date_day and days.date_day + 1\n    group",
             "sales_monthly_compared__each_month_has_its_net_sales"),
    Mutation("sales_monthly_compared", "omit 29 February", "then last_year.month_end_date",
             "then last_days.same_date_last_year", "a_whole_month_is_compared_with_the_whole_month_a_year_before"),
    Mutation("customer_lifetime_value", "drop customers with one order", "where order_count > 0",
             "where order_count > 1", "customer_lifetime_value__customers_have_all_their_orders"),
    Mutation("customer_lifetime_value", "include customers who never bought", "where order_count > 0",
             "where order_count >= 0", "customer_value_is_net_of_returns"),
    Mutation("customer_lifetime_value", "count recency from the first order",
             "days_between('customers.last_order_date', 'sources.as_of_date')",
             "days_between('customers.first_order_date', 'sources.as_of_date')",
             "customer_lifetime_value__the_days_of_a_customer_add_up"),
    Mutation("dim_customer", "count days to the last order", "'sources.as_of_date') }} as tenure_days",
             "'customers.last_order_date') }} as tenure_days", "customers_are_as_old_as_the_data_of_their_source"),
    Mutation("fct_source_coverage", "count days to the last first order line", "max(last_order_date)",
             "max(order_date)", "a_source_reaches_to_the_last_line_of_an_order"),
    Mutation("fct_source_coverage", "drop a source", LAST, f"{LAST} where source_system <> 'superstore'",
             "fct_source_coverage__each_source_ends_with_its_last_line"),
    Mutation("fct_customer_scores", "drop customers with one order", "from ranked\n",
             "from ranked where order_count > 1\n", "fct_customer_scores__customers_are_those_who_bought"),
    Mutation("fct_customer_scores", "rank recency upwards", "order by last_order_date asc",
             "order by last_order_date desc", "equal_customers_have_equal_scores"),
    Mutation("customer_rfm", "drop customers with one order", LAST, f"{LAST} where order_count > 1",
             "customer_rfm__customers_are_those_of_lifetime_value"),
    Mutation("customer_rfm", "count days to the day after", "'sources.as_of_date') }} as recency_days",
             "'sources.as_of_date') }} + 1 as recency_days", "customer_rfm__customers_are_those_of_lifetime_value"),
    Mutation("customers_new_and_returning", "drop the unknown customer", "    from unknown_months\n",
             "    from unknown_months where false\n",
             "customers_new_and_returning__months_have_the_net_sales_of_all_orders"),
    Mutation("customers_new_and_returning", "drop customers who never bought", "ref('fct_customer_purchases') }}\n",
             "ref('fct_customer_purchases') }} where order_count > 0\n", "a_new_customer_bought_first_in_this_month"),
    Mutation("customers_new_and_returning", "count returning customers as new", "= purchases.first_order_date",
             ">= purchases.first_order_date", "a_new_customer_bought_first_in_this_month"),
    Mutation("customers_new_and_returning", "take lines for orders", "    where has_order\n", "",
             "a_new_customer_bought_first_in_this_month"),
    Mutation("customer_cohorts", "count returns as activity", "case when customer_months.is_active then 1 end",
             "1", "months_without_orders_have_a_row_and_returns_are_no_activity"),
    Mutation("customer_cohorts", "count months from 1", "months.month_index - cohort_months.month_index",
             "months.month_index - cohort_months.month_index + 1", "customer_cohorts__cohorts_are_the_new_customers"),
    Mutation("customer_cohorts", "drop months without orders", "    left join activity\n", "    inner join activity\n",
             "months_without_orders_have_a_row_and_returns_are_no_activity"),
    # the figures that the gate uses itself
    Mutation("raw_figures", "drop a file", "from final", "from final where _file_id > 1", FILE_TO_RAW),
    Mutation("row_outcomes", "filter out skipped rows", "from staged_rows",
             "from staged_rows where row_status <> 'skipped'", RAW_TO_STAGING),
    Mutation("fact_figures", "filter out a line type", "where {{", "where line_type <> 'fee' and {{", STAGING_TO_FACT),
    Mutation("fact_figures", "round early", "cast(sum(net_amount_reporting) as",
             "cast(round(sum(net_amount_reporting), 0) as", FACT_TO_DAILY),
    Mutation("reconciliation", "drop a file", "active_files() ~ ')'", "active_files() ~ ') and file_id > 1'",
             FILE_TO_RAW),
    Mutation("reconciliation", "drop a step", "    from compared\n",
             "    from compared where step <> 'fact_to_orders'\n", FACT_TO_ORDERS),
    Mutation("feed_issues", "drop a code", LAST, f"{LAST} where issue_code <> 'row:exact_duplicate'",
             "feed_issues__every_code_is_counted"),
    Mutation("quality_rules", "drop a code", "from final", "from final where issue_code <> 'row:exact_duplicate'",
             "feed_issues__every_code_is_counted"),
    # the reports about feeds and files
    Mutation("quarantined_rows", "include skipped rows", "row_status = 'quarantined'", "row_status <> 'accepted'",
             "quarantined_rows"),
    Mutation("quarantined_rows", "double a join", "on staged_rows._file_id = files.file_id",
             "on staged_rows._file_id >= files.file_id", "quarantined_rows__every_quarantined_row_is_there"),
    Mutation("feed_scorecard", "drop corrected files", "where status = 'active' and",
             "where status = 'active' and version = 1 and", "feed_scorecard__every_file_is_there"),
    Mutation("feed_scorecard", "filter out skipped rows", "    group by feed, _file_id\n",
             "        and row_status <> 'skipped'\n    group by feed, _file_id\n",
             "feed_scorecard__every_loaded_row_has_one_outcome"),
    Mutation("feed_scorecard", "report a file as late one day early", "days_after_period > days_allowed",
             "days_after_period >= days_allowed", "feed_scorecard_checks_each_file_against_period_and_limit"),
    Mutation("feed_expectations", "drop a feed", "from final", "from final where iso_days_of_week <> ''",
             "feed_expectations__every_feed_that_expects_is_there"),
    Mutation("feed_status", "drop deliveries on time", "            when compared.is_delivered then 'on_time'\n", "",
             "feed_status__deliveries_are_not_pending_or_missing"),
    Mutation("feed_status", "count unloaded files", "having bool_or(is_active)", "",
             "stores_months_and_versions_are_separate_without_due_times"),
    Mutation("feed_status", "be late at the deadline", "compared.delivered_at > compared.deadline_at",
             "compared.delivered_at >= compared.deadline_at", "due_times_are_in_the_time_zone_of_the_feed"),
)  # fmt: skip
