{# The table of quality rules: the meaning of each code in row_issues, and the outcome of a row that has it.

   code         column:issue, as in row_issues; *:issue is for columns that have no rule of their own for it
   outcome      quarantined: the row is not in the facts; flagged: it counts, and row_issues has the code;
                skipped: it is not a sale
                repeated, superseded: decided by macros/events/decide_events.sql, for feeds of events
                waiting: decided by macros/lookups/look_up.sql, for feeds whose lines take values of lookups
   is_fixed     the facts need the value, or the model decides: the outcome cannot be another one
   limit        value of {limit} in the check: a number, or a list of texts
   feeds        values that differ for one feed, with the reason
   is_offered   for future feeds: no staging model has to use it
   description  the meaning, for readers

   After a change the next build rebuilds the facts. It is an error when a staging model uses a code that is
   not here, and when none uses one that is here. #}
{% macro quality_rules() -%}
    {{ return([
        {'code': 'row:blank', 'outcome': 'skipped', 'is_fixed': true,
            'description': 'The row has no value at all.'},
        {'code': 'row:repeated_header', 'outcome': 'skipped', 'is_fixed': true,
            'description': 'The row repeats the header.'},
        {'code': 'row:exact_duplicate', 'outcome': 'flagged',
            'description': 'An earlier row of the file has the same values. Two equal sales are possible.'},
        {'code': 'row:delivered_before', 'outcome': 'flagged', 'is_offered': true,
            'description': 'An active file that was loaded earlier has the same record: exports that overlap?'},

        {'code': 'event:repeated', 'outcome': 'repeated', 'is_fixed': true, 'is_offered': true,
            'description': 'The same event was sent before; the first sending counts.'},
        {'code': 'event:superseded', 'outcome': 'superseded', 'is_fixed': true, 'is_offered': true,
            'description': 'A later state of the same key counts instead, such as a correction or a cancellation.'},
        {'code': 'lookup:waiting', 'outcome': 'waiting', 'is_fixed': true, 'is_offered': true,
            'description': 'No lookup file has a row for the key on this day yet; the line counts once one does.'},
        {'code': 'event_id:missing', 'outcome': 'quarantined', 'is_fixed': true, 'is_offered': true,
            'description': 'No key of the event, so it is unknown whether it was sent before.'},
        {'code': 'event_type:unknown', 'outcome': 'quarantined', 'is_fixed': true, 'is_offered': true,
            'description': 'The kind of the event is none of those that the model knows.'},
        {'code': 'sent_at:after_delivery', 'outcome': 'quarantined', 'limit': 1, 'is_offered': true,
            'description': 'The time of the event is more days later than its arrival, in UTC, than the limit: a wrong clock? It '
                ~ 'would supersede what happens later.'},
        {'code': 'changed_at:after_delivery', 'outcome': 'quarantined', 'limit': 1, 'is_offered': true,
            'description': 'The time of the state is more days later than its arrival, in UTC, than the limit: a wrong clock? It '
                ~ 'would supersede what happens later.'},
        {'code': 'order:cancelled', 'outcome': 'skipped', 'is_fixed': true, 'is_offered': true,
            'description': 'The order was cancelled, so its lines are no sale.'},

        {'code': 'text:control_character', 'outcome': 'flagged',
            'description': 'A text has a control character, such as U+0080 to U+009F: cp1252 that was read as latin-1?'},

        {'code': 'order_id:missing', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'No order number.'},
        {'code': 'order_id:too_long', 'outcome': 'quarantined', 'limit': 200,
            'description': 'An order number with more characters than the limit: records that ran together?'},
        {'code': 'product_id:missing', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'No product code.'},
        {'code': 'product_id:too_long', 'outcome': 'quarantined', 'limit': 200,
            'description': 'A product code with more characters than the limit.'},
        {'code': 'product_name:too_long', 'outcome': 'flagged', 'limit': 200,
            'description': 'A product name with more characters than the limit. Nothing is keyed by it.'},
        {'code': 'customer_id:too_long', 'outcome': 'quarantined', 'limit': 200,
            'description': 'A customer number with more characters than the limit.'},
        {'code': 'country:too_long', 'outcome': 'quarantined', 'limit': 200,
            'description': 'A country with more characters than the limit.'},

        {'code': 'store_id:too_long', 'outcome': 'quarantined', 'limit': 200, 'is_offered': true,
            'description': 'A store number with more characters than the limit.'},

        {'code': 'day_ends_at:not_a_time', 'outcome': 'quarantined',
            'description': 'The end of the business day of a store is no time HH:MM before noon.'},

        {'code': 'quantity:missing', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'No quantity.'},
        {'code': 'quantity:not_an_integer', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'The quantity is no whole number of at most 12 digits.'},
        {'code': 'quantity:zero', 'outcome': 'flagged',
            'description': 'No pieces: money without goods, such as a refund of a part of the price, is an adjustment.'},

        {'code': 'unit_price:missing', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'No price.'},
        {'code': 'unit_price:not_a_decimal', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'The price is no decimal number that fits ' ~ var('amount_type') ~ ' exactly.'},
        {'code': 'unit_price:negative', 'outcome': 'quarantined',
            'feeds': {
                'online_retail.invoice_lines': {'outcome': 'flagged', 'because': 'bad debt comes as negative prices'},
            },
            'description': 'The price of one piece is below 0; a return has a negative quantity instead.'},
        {'code': 'unit_price:zero', 'outcome': 'flagged',
            'description': 'The price of one piece is 0: a gift, a sample, or a price that was left out.'},

        {'code': 'net_amount:missing', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'No line total.'},
        {'code': 'net_amount:not_a_decimal', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'The line total is no decimal number that fits ' ~ var('amount_type') ~ ' exactly.'},
        {'code': 'net_amount:out_of_range', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'Quantity times price does not fit ' ~ var('amount_type') ~ ' exactly: it is too large, or has more decimals.'},
        {'code': 'gross_amount:out_of_range', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'The amount before discount does not fit ' ~ var('amount_type') ~ ' exactly: it is too large, or has more '
                ~ 'decimals.'},
        {'code': 'gross_amount:unknown_at_full_discount', 'outcome': 'flagged',
            'description': 'At a discount of 1 nothing tells the amount before it; gross is the net amount.'},
        {'code': 'gross_amount:disagrees', 'outcome': 'quarantined', 'limit': 0.01, 'is_offered': true,
            'description': 'Quantity times price is further from the delivered amount than the limit.'},
        {'code': 'cost_amount:out_of_range', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'Net amount less profit does not fit ' ~ var('amount_type') ~ ' exactly: it is too large, or has more decimals.'},
        {'code': 'discount_rate:missing', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'No discount.'},
        {'code': 'discount_rate:not_a_decimal', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'The discount is no decimal number that fits numeric(9, 4) exactly.'},
        {'code': 'discount_rate:not_between_0_and_1', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'The discount is no share of the amount.'},
        {'code': 'profit:not_a_decimal', 'outcome': 'quarantined',
            'description': 'The profit is no decimal number that fits ' ~ var('amount_type') ~ ' exactly.'},
        {'code': 'discount_amount:not_a_decimal', 'outcome': 'quarantined', 'is_fixed': true, 'is_offered': true,
            'description': 'The discount is no decimal number that fits ' ~ var('amount_type') ~ ' exactly.'},
        {'code': 'currency:missing', 'outcome': 'quarantined', 'is_fixed': true, 'is_offered': true,
            'description': 'No currency.'},
        {'code': 'currency:unknown', 'outcome': 'quarantined', 'is_offered': true,
            'limit': ['EUR', 'GBP', 'USD'],
            'description': 'The currency is neither the euro nor one that seeds/reference/exchange_rates.csv has rates of.'},

        {'code': 'ordered_at:missing', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'No date and time of the order.'},
        {'code': 'ordered_at:not_a_timestamp', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'Date and time are no real moment in the declared form. Day and month are never guessed.'},
        {'code': 'ordered_at:ambiguous', 'outcome': 'quarantined', 'is_fixed': true, 'is_offered': true,
            'description': 'Two of the declared forms read date and time as different moments.'},
        {'code': 'order_date:missing', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'No date of the order.'},
        {'code': 'order_date:not_a_date', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'The date is no real day in the declared form. Day and month are never guessed.'},
        {'code': 'order_date:ambiguous', 'outcome': 'quarantined', 'is_fixed': true, 'is_offered': true,
            'description': 'Two of the declared forms read the date as different days.'},
        {'code': 'order_date:outside_calendar', 'outcome': 'quarantined', 'is_fixed': true,
            'description': 'The date lies outside calendar_start and calendar_end.'},
        {'code': 'order_date:outside_period', 'outcome': 'flagged',
            'description': 'The date lies outside the period that the file is about by its delivery key.'},
        {'code': 'order_date:after_delivery', 'outcome': 'flagged', 'limit': 1,
            'description': 'The date is more days later than the arrival of the file, in UTC, than the limit.'},
        {'code': 'order_date:out_of_sequence', 'outcome': 'flagged', 'limit': 7, 'is_offered': true,
            'description': 'The date is more days away from those before and after it in the file than the limit: day and '
                ~ 'month in the wrong order?'},

        {'code': '*:missing', 'outcome': 'quarantined', 'is_offered': true,
            'description': 'No value of {column}.'},
        {'code': '*:not_an_integer', 'outcome': 'flagged', 'is_offered': true,
            'description': 'The value of {column} is no whole number of the declared digits; the row counts without it.'},
        {'code': '*:not_a_decimal', 'outcome': 'flagged', 'is_offered': true,
            'description': 'The value of {column} is no decimal number that fits its type exactly; the row counts without it.'},
        {'code': '*:rounded', 'outcome': 'flagged', 'is_offered': true,
            'description': 'The value of {column} has more decimals than its type, and was rounded: the noise of floating point '
                ~ 'numbers, at most 1 in 10^13, or what its model declares.'},
        {'code': '*:not_a_date', 'outcome': 'flagged', 'is_offered': true,
            'description': 'The value of {column} is no real day in the declared form; the row counts without it.'},
        {'code': '*:not_a_timestamp', 'outcome': 'flagged', 'is_offered': true,
            'description': 'The value of {column} is no real moment in the declared form; the row counts without it.'},
        {'code': '*:ambiguous', 'outcome': 'flagged', 'is_offered': true,
            'description': 'Two of the declared forms read {column} as different days; the row counts without it.'},
        {'code': '*:unknown', 'outcome': 'flagged', 'is_offered': true,
            'description': 'The value of {column} is none of those that the model knows.'},
        {'code': '*:out_of_range', 'outcome': 'flagged', 'is_offered': true,
            'description': 'The computed {column} does not fit its type exactly: it is too large, or has more decimals; the row counts '
                ~ 'without it.'},

        {'code': 'file:late', 'outcome': 'flagged',
            'feeds': {
                'online_retail.invoice_lines': {'limit': 2, 'because': 'the shop sends each day the day after'},
                'store_orders.order_lines': {'limit': 7, 'because': 'the tills export a month in the week after it'},
            },
            'description': 'The file arrived more days after its period than the limit.'},
    ]) }}
{%- endmacro %}
