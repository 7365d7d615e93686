-- Grain: one row per step and scope, balanced or not. left_ is the side nearer to the files.
-- A measure that a step does not compare is NULL on both sides, and so is its difference.
-- Both sides meet in a full outer join: a scope that is missing on one side counts 0 there.
-- sqlfluff:indentation:template_blocks_indent:False
-- The index is for the tests, each of which looks for the lines of its step that do not balance.
-- To add a step, add an entry to `steps`:
--   step       name in the column step; entries of one name differ in `part`, the end of their scope
--   by         columns that make a scope and join both sides
--   compares   measures that both sides must agree on
--   nearer     the side nearer to the files: the relation it `reads`, and its `columns` that have another name there
--   farther    the side nearer to the readers
--              Sums of days that incremental models keep are complete, and cost no pass over all orders: fact_to_orders
--   label      column that only the nearer side has, put in front of the scope
--   file, day  of a side: the column by which a build with --sample takes its part, where the step can be compared then
--   made_of    of the farther side, instead: the model that must have the sample
{{ config(materialized='table_when_new', indexes=[{'columns': ['step', 'is_balanced']}]) }}
{%- set measures = [
    'rows', 'quantity', 'net_amount', 'net_amount_reporting', 'net_sales_amount', 'net_sales_amount_reporting',
] -%}
{%- set counted = '_file_id, row_count, quantity, net_amount' -%}
{%- set accepted = "case when row_status = 'accepted' then %s else 0 end" -%}
{%- set month_of_day = 'make_date(' ~ date_part_number('year', 'order_date') ~ ', '
    ~ date_part_number('month', 'order_date') ~ ', 1)' -%}
{%- set steps = [
    {
        'step': 'file_to_raw',
        'by': ['feed', '_file_id'],
        'compares': ['rows'],
        'nearer': {
            'reads': source('ledger', 'files'),
            'where': 'feed in ' ~ declared_feeds() ~ ' and file_id in (' ~ active_files() ~ ')',
            'columns': {'_file_id': 'file_id', 'rows': 'rows_loaded'},
            'file': 'file_id',
        },
        'farther': {'reads': ref('raw_figures'), 'columns': {'rows': 'row_count'}, 'file': '_file_id'},
    },
    {
        'step': 'raw_to_staging',
        'by': ['feed', '_file_id'],
        'compares': ['rows'],
        'nearer': {'reads': ref('raw_figures'), 'columns': {'rows': 'row_count'}, 'file': '_file_id'},
        'farther': {'reads': ref('row_outcomes'), 'columns': {'rows': 'row_count'}, 'file': '_file_id'},
    },
    {
        'step': 'events_to_outcomes',
        'by': ['feed', '_file_id', 'decision'],
        'compares': ['rows', 'quantity', 'net_amount'],
        'nearer': {'reads': ref('event_figures'), 'columns': {'rows': 'row_count'}, 'file': '_file_id'},
        'farther': {
            'reads': ref('row_outcomes'),
            'where': of_event_feeds(),
            'columns': {'rows': 'row_count', 'decision': decision_of_outcome()},
            'file': '_file_id',
        },
    },
    {
        'step': 'staging_to_fact',
        'by': ['_file_id'],
        'label': 'feed',
        'compares': ['rows', 'quantity', 'net_amount'],
        'nearer': {
            'reads': ref('row_outcomes'),
            'where': not_of_lookups(),
            'columns': {
                'rows': accepted % 'row_count', 'quantity': accepted % 'quantity', 'net_amount': accepted % 'net_amount',
            },
            'file': '_file_id',
        },
        'farther': {
            'reads': '(select ' ~ counted ~ ' from ' ~ ref('fact_figures') ~ ' union all select ' ~ counted ~ ' from '
                ~ ref('payment_figures') ~ ') as facts',
            'columns': {'rows': 'row_count'},
            'file': '_file_id',
        },
    },
    {
        'step': 'fact_to_daily',
        'by': ['order_date', 'source_system', 'country', 'currency'],
        'compares': measures,
        'nearer': {'reads': ref('fact_figures'), 'columns': {'rows': 'row_count'}, 'day': 'order_date'},
        'farther': {'reads': ref('agg_sales_daily'), 'columns': {'rows': 'line_count'}, 'day': 'order_date'},
    },
    {
        'step': 'daily_to_monthly',
        'by': ['month_start_date', 'source_system', 'country', 'currency'],
        'compares': measures,
        'nearer': {
            'reads': ref('agg_sales_daily'),
            'columns': {'month_start_date': month_of_day, 'rows': 'line_count'},
            'day': 'order_date',
        },
        'farther': {'reads': ref('agg_sales_monthly'), 'columns': {'rows': 'line_count'}},
    },
    {
        'step': 'fact_to_orders',
        'part': 'all lines',
        'by': ['source_system', 'currency'],
        'compares': ['rows', 'net_amount', 'net_amount_reporting'],
        'nearer': {
            'reads': ref('fact_figures'), 'where': 'has_order', 'columns': {'rows': 'row_count'}, 'day': 'order_date',
        },
        'farther': {'reads': ref('fct_orders_daily'), 'columns': {'rows': 'line_count'}, 'made_of': 'fct_orders'},
    },
    {
        'step': 'fact_to_orders',
        'part': 'goods',
        'by': ['source_system', 'currency'],
        'compares': ['rows', 'quantity', 'net_amount', 'net_amount_reporting'],
        'nearer': {
            'reads': ref('fact_figures'),
            'where': 'has_order',
            'columns': {
                'rows': 'merchandise_row_count', 'quantity': 'merchandise_quantity',
                'net_amount': 'net_sales_amount', 'net_amount_reporting': 'net_sales_amount_reporting',
            },
            'day': 'order_date',
        },
        'farther': {
            'reads': ref('fct_orders_daily'),
            'columns': {
                'rows': 'merchandise_line_count', 'net_amount': 'net_sales_amount',
                'net_amount_reporting': 'known_net_sales_amount_reporting + unknown_net_sales_amount_reporting',
            },
            'made_of': 'fct_orders',
        },
    },
    {
        'step': 'fact_to_returns',
        'by': ['source_system', '_file_id'],
        'compares': ['rows', 'quantity', 'net_amount', 'net_amount_reporting'],
        'nearer': {
            'reads': ref('fact_figures'),
            'columns': {
                'rows': 'return_row_count', 'quantity': 'return_quantity',
                'net_amount': 'return_amount', 'net_amount_reporting': 'return_amount_reporting',
            },
            'day': 'order_date',
        },
        'farther': {
            'reads': ref('fct_returns'),
            'columns': {'rows': '1', 'net_amount': 'return_amount', 'net_amount_reporting': 'return_amount_reporting'},
            'day': 'return_date',
        },
    },
] %}
with

{% for step in steps if is_compared_in_sample(step) %}
{%- set number = loop.index %}
{%- for side in ['nearer', 'farther'] %}
{%- set columns = step[side]['columns'] %}
{%- set keys = ([step.label] if step.label and side == 'nearer' else []) + step.by %}
{%- set selected = [] %}
{%- for key in keys %}
{%- do selected.append(columns.get(key, key) ~ ' as ' ~ key) %}
{%- endfor %}
{%- for measure in step.compares %}
{%- do selected.append('sum(' ~ columns.get(measure, measure) ~ ') as ' ~ measure ~ '_sum') %}
{%- endfor %}
{{ side }}_{{ number }} as (

    select
        {{ selected | join(',\n        ') }}
    from {{ step[side].reads }}
    where {{ step[side].where or 'true' }} and {{ only_sampled_side(step[side]) }}
    group by {{ range(1, keys | length + 1) | join(', ') }}

),

{% endfor %}
{%- endfor %}
compared as (
    {% for step in steps if is_compared_in_sample(step) %}
    {%- set nearer, farther = 'nearer_' ~ loop.index, 'farther_' ~ loop.index %}
    {%- set scope = ['coalesce(' ~ step.label ~ ", 'no " ~ step.label ~ "')"] if step.label else [] %}
    {%- set same = [] %}
    {%- for key in step.by %}
    {%- set either = 'cast(coalesce(' ~ nearer ~ '.' ~ key ~ ', ' ~ farther ~ '.' ~ key ~ ') as ' ~ text_type() ~ ')' %}
    {%- do scope.append("'file ' || " ~ either if key == '_file_id' else either) %}
    {%- do same.append(nearer ~ '.' ~ key ~ ' = ' ~ farther ~ '.' ~ key) %}
    {%- endfor %}
    {%- do scope.append("'" ~ step.part ~ "'") if step.part %}
    {{ 'union all' if not loop.first }}
    select
        '{{ step.step }}' as step,
        {{ scope | join("\n        || ', ' || ") }} as scope,
        {%- for measure in measures %}
        {%- if measure in step.compares %}
        coalesce({{ nearer }}.{{ measure }}_sum, 0) as left_{{ measure }},
        coalesce({{ farther }}.{{ measure }}_sum, 0) as right_{{ measure }},
        {%- else %}
        cast(null as {{ var('sum_type') }}) as left_{{ measure }},
        cast(null as {{ var('sum_type') }}) as right_{{ measure }},
        {%- endif %}
        {%- endfor %}
        {%- if '_file_id' in step.by %}
        coalesce({{ nearer }}._file_id, {{ farther }}._file_id) as _file_id
        {%- else %}
        cast(null as bigint) as _file_id
        {%- endif %}
    from {{ nearer }}
    full outer join {{ farther }}
        on {{ same | join(' and ') }}
    {% endfor %}
    {%- for step in steps if not is_compared_in_sample(step) %}
    union all
    select
        '{{ step.step }}' as step,
        '{{ scope_beyond_sample(step.part) }}' as scope,
        {%- for measure in measures %}
        {{ '0' if measure == 'rows' else 'null' }} as left_{{ measure }},
        {{ '0' if measure == 'rows' else 'null' }} as right_{{ measure }},
        {%- endfor %}
        null as _file_id
    {% endfor %}
),

final as (

    select
        step,
        scope,
        {%- for measure in measures %}
        {%- set type = 'bigint' if measure == 'rows' else var('sum_type') %}
        cast(left_{{ measure }} as {{ type }}) as left_{{ measure }},
        cast(right_{{ measure }} as {{ type }}) as right_{{ measure }},
        cast(left_{{ measure }} - right_{{ measure }} as {{ type }}) as {{ measure }}_difference,
        {%- endfor %}
        {%- for measure in measures %}
        {{ 'and ' if not loop.first }}(left_{{ measure }} is not distinct from right_{{ measure }})
        {%- endfor %} as is_balanced,
        _file_id
    from compared

)

select * from final
