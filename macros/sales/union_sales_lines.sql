{# The accepted lines of these models in the canonical shape; those with is_payment are no sales lines, and go to fct_payments. dbt
   makes its graph from refs that it sees while it parses, so the models are named; which columns they have is read from what is
   there. A feed of sales whose rows are in none of them is an error. #}
{% macro union_sales_lines(models) -%}
    {%- do config(meta={'united_models': models}) -%}
    {%- if not execute -%}
        {#- of a feed of events only what counts -#}
        {%- for name in models + ['int_events__records_decided', 'line_codes'] -%}
            {%- do ref(name) -%}
        {%- endfor -%}
        {{ return('select 1 as nothing') }}
    {%- endif -%}
    {%- set parts = lines_to_union(models) -%}
with
    {%- for lines in parts %}

{{ lines.model }} as (

    select
        {%- for column in sales_line_columns() %}
        {{ sales_line_value(column, lines) }}{{ ',' if not loop.last }}
        {%- endfor %}
    {#- dbt gives a relation a name of its own with --empty #}
    from (select * from {{ read_model(lines.model) }}) as lines
    {%- if 'line_code' in lines.columns %}
    -- one row per source and code (tested), so no line is doubled
    left join (select * from {{ read_model('line_codes') }} where source_system = '{{ lines.source }}') as codes
        on lines.line_code = codes.line_code
    {%- endif %}
    {%- set conditions = [] %}
    {%- do conditions.append("lines.row_status = 'accepted'") if 'row_status' in lines.columns %}
    {%- do conditions.append(event_decision('lines') ~ " = 'counted'") if lines.has_events %}
    {%- if conditions %}
    where {{ conditions | join(' and ') }}
    {%- endif %}

),
    {%- endfor %}

final as (
    {% for lines in parts %}
    {{ 'union all\n    ' if not loop.first }}select * from {{ lines.model }}
    {%- endfor %}

)

select * from final
{%- endmacro %}

{# The canonical columns of a sales line in their order. `value` is SQL for models without the column; one without it is required. #}
{% macro sales_line_columns() -%}
    {{ return([
        {'name': 'sales_line_id'},
        {'name': 'source_system', 'value': "cast('{source}' as " ~ text_type() ~ ')'},
        {'name': 'store_id', 'value': 'cast(null as ' ~ text_type() ~ ')'},
        {'name': 'order_id'},
        {'name': 'line_type'},
        {'name': 'ordered_at', 'value': 'cast(null as ' ~ wall_clock_type() ~ ')'},
        {'name': 'order_date'},
        {'name': 'customer_id', 'value': 'cast(null as ' ~ text_type() ~ ')'},
        {'name': 'customer_segment', 'value': 'cast(null as ' ~ text_type() ~ ')'},
        {'name': 'product_id'},
        {'name': 'product_name', 'value': 'cast(null as ' ~ text_type() ~ ')'},
        {'name': 'product_category', 'value': 'cast(null as ' ~ text_type() ~ ')'},
        {'name': 'product_subcategory', 'value': 'cast(null as ' ~ text_type() ~ ')'},
        {'name': 'channel', 'value': "cast('unknown' as " ~ text_type() ~ ')'},
        {'name': 'country', 'value': 'cast(null as ' ~ text_type() ~ ')'},
        {'name': 'region', 'value': 'cast(null as ' ~ text_type() ~ ')'},
        {'name': 'promotion_code', 'value': 'cast(null as ' ~ text_type() ~ ')'},
        {'name': 'return_reason', 'value': 'cast(null as ' ~ text_type() ~ ')'},
        {'name': 'quantity', 'type': var('amount_type')},
        {'name': 'unit_price', 'value': 'cast(null as ' ~ var('amount_type') ~ ')'},
        {'name': 'gross_amount', 'value': 'lines.net_amount'},
        {'name': 'discount_amount', 'value': 'cast(0 as ' ~ var('amount_type') ~ ')'},
        {'name': 'net_amount'},
        {'name': 'tax_amount', 'type': var('amount_type'), 'value': 'cast(null as ' ~ var('amount_type') ~ ')'},
        {'name': 'shipping_amount', 'type': var('amount_type'), 'value': 'cast(null as ' ~ var('amount_type') ~ ')'},
        {'name': 'cost_amount', 'value': 'cast(null as ' ~ var('amount_type') ~ ')'},
        {'name': 'currency'},
        {'name': 'is_merchandise'},
        {'name': 'payment_method', 'value': 'cast(null as ' ~ text_type() ~ ')'},
        {'name': 'is_payment'},
        {'name': '_file_id'},
        {'name': '_row_number'},
    ]) }}
{%- endmacro %}

{# Those that have the type of amounts. #}
{% macro amounts_of_sales_lines() -%}
    {{ return([
        'quantity', 'unit_price', 'gross_amount', 'discount_amount', 'net_amount', 'tax_amount', 'shipping_amount', 'cost_amount',
    ]) }}
{%- endmacro %}

{# A column of the canonical shape as one model has it. #}
{% macro sales_line_value(column, lines) -%}
    {%- set of_kind = value_of_kind(column.name, lines) -%}
    {%- if of_kind -%}
        {{ return(of_kind ~ ' as ' ~ column.name) }}
    {%- elif column.name in lines.columns -%}
        {%- set value = 'lines.' ~ column.name -%}
        {{ return('cast(' ~ value ~ ' as ' ~ column.type ~ ') as ' ~ column.name if column.type else value) }}
    {%- endif -%}
    {#- one amount follows from the two others -#}
    {%- if column.name == 'discount_amount' and 'gross_amount' in lines.columns -%}
        {{ return('cast(lines.gross_amount - lines.net_amount as ' ~ var('amount_type') ~ ') as discount_amount') }}
    {%- elif column.name == 'gross_amount' and 'discount_amount' in lines.columns -%}
        {{ return('cast(lines.net_amount + lines.discount_amount as ' ~ var('amount_type') ~ ') as gross_amount') }}
    {%- elif not column.value -%}
        {{ exceptions.raise_compiler_error(
            lines.model ~ ' has no column ' ~ column.name ~ ', which every sales line needs. Give it one, and list it in the YAML of '
            ~ 'the model, or take the model out of union_sales_lines.'
        ) }}
    {%- endif -%}
    {{ return((column.value | replace('{source}', lines.source or '')) ~ ' as ' ~ column.name) }}
{%- endmacro %}

{# The columns that say what kind of line it is, where they follow from others; nothing where the model has the column itself, or
   where its usual value does. The order of the branches is the rule: what the source says of a cancellation goes before the code
   of the line, and the code before pieces and amount. Money without goods, such as a refund of a part of the price, is an
   adjustment. #}
{% macro value_of_kind(name, lines) -%}
    {%- set columns = lines.columns -%}
    {%- set has_codes = 'line_code' in columns -%}
    {%- set is_money_only = 'lines.quantity >= 0 and lines.net_amount < 0 or lines.quantity = 0 and lines.net_amount > 0' -%}
    {%- set has_payments_only = 'payment_method' in columns and 'product_id' not in columns -%}
    {%- if has_payments_only and name in ('line_type', 'is_merchandise', 'is_payment', 'product_id') -%}
        {{ return({
            'line_type': "cast('payment' as " ~ text_type() ~ ')', 'is_merchandise': 'false', 'is_payment': 'true',
            'product_id': 'cast(null as ' ~ text_type() ~ ')',
        }[name]) }}
    {%- elif name == 'line_type' and name not in columns -%}
        {%- set branches = [] -%}
        {%- do branches.append("when lines.is_cancellation then 'cancellation'") if 'is_cancellation' in columns -%}
        {%- do branches.append('when codes.line_type is not null then codes.line_type') if has_codes -%}
        {{ return(
            'case ' ~ branches | join(' ') ~ " when lines.quantity < 0 then 'return' when " ~ is_money_only
            ~ " then 'adjustment' else 'sale' end"
        ) }}
    {%- elif name == 'is_merchandise' and name not in columns and 'line_type' in columns -%}
        {{ return("lines.line_type in ('sale', 'return', 'cancellation')") }}
    {%- elif name == 'is_merchandise' and name not in columns -%}
        {#- by the code alone where there is one, also of a cancelled fee -#}
        {%- set is_cancelled = 'coalesce(lines.is_cancellation, false) or ' if 'is_cancellation' in columns else '' -%}
        {%- set has_goods = is_cancelled ~ 'not coalesce(' ~ is_money_only ~ ', false)' -%}
        {{ return("coalesce(codes.line_type in ('sale', 'return'), " ~ has_goods ~ ')' if has_codes else '(' ~ has_goods ~ ')') }}
    {%- elif name == 'payment_method' and has_codes -%}
        {{ return('coalesce(' ~ ('lines.payment_method, ' if name in columns else '') ~ 'codes.payment_method)') }}
    {%- elif name == 'is_payment' and name not in columns -%}
        {#- a constant where no line can be one, so that no plan reads the lines for their payments -#}
        {{ return(
            "lines.line_type = 'payment'" if 'payment_method' in columns and 'line_type' in columns
            else "coalesce(codes.line_type = 'payment', false)" if has_codes else 'false'
        ) }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro %}

{# What the union has to know of its models: columns, source, and whether their feed is one of events. dbt shows no other nodes to
   unit tests, which override this. #}
{% macro lines_to_union(models) -%}
    {%- set found = [] -%}
    {%- set united = [] -%}
    {%- for name in models -%}
        {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ name] -%}
        {%- set feeds_of_model = sales_feeds_above(node) -%}
        {%- set sources = feeds_of_model | map(attribute='source') | map(attribute='source_name') | unique | list -%}
        {%- if sources | length != 1 and 'source_system' not in node.columns -%}
            {{ exceptions.raise_compiler_error(
                name ~ ' has lines of ' ~ (sources | length) ~ ' sources (' ~ sources | join(', ')
                ~ '). Give it the column source_system, and list it in the YAML of the model.'
            ) }}
        {%- endif -%}
        {%- do united.extend(feeds_of_model | map(attribute='name') | list) -%}
        {%- do found.append({
            'model': name,
            'columns': columns_of(name),
            'source': sources | first,
            'has_events': feeds_of_model | selectattr('events') | list | length > 0,
        }) -%}
    {%- endfor -%}
    {%- for feed in feeds() if feed.staging_model and not feed.is_lookup and feed.name not in united -%}
        {{ exceptions.raise_compiler_error(
            'The lines of ' ~ feed.name ~ ' are not in the union. Add ' ~ graph.nodes[feed.rows_model].name
            ~ ', or the model that reads it, to the list in ' ~ model.name ~ '. A feed without sales is declared with '
            ~ 'external.options.kind: lookup.'
        ) }}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{# The feeds of sales whose staging models a model reads, or is. #}
{% macro sales_feeds_above(node) -%}
    {%- set waiting = [node.unique_id] -%}
    {%- set seen = [] -%}
    {# Jinja cannot loop over a list that grows #}
    {%- for _ in range(graph.nodes | length) if waiting -%}
        {%- set unique_id = waiting.pop() -%}
        {%- if unique_id in graph.nodes and unique_id not in seen -%}
            {%- do seen.append(unique_id) -%}
            {%- do waiting.extend(graph.nodes[unique_id].depends_on.nodes) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set found = [] -%}
    {%- for feed in feeds() if feed.staging_model in seen and not feed.is_lookup -%}
        {%- do found.append(feed) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
