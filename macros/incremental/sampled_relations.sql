{# The relations of the target that have a sample, by name, each with its sample. Those of prod have none. #}
{% macro sampled_relations() -%}
    {%- set found = {} -%}
    {%- if execute and target.name != 'prod' and is_build() and keeps_build_state() -%}
        {%- for row in run_query(
            'select relation_name, days, files from ' ~ build_state('sampled_relations') ~ ' as relations inner join '
            ~ build_state('samples') ~ ' as samples on relations.invocation_id = samples.invocation_id'
        ).rows -%}
            {%- do found.update({row.relation_name: read_sample(row)}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(found) }}
{%- endmacro %}

{# Whether the relation that is read for the model of this name has a sample. #}
{% macro is_sampled(name) -%}
    {%- set sampled = sampled_relations() -%}
    {%- if not sampled -%}
        {{ return(false) }}
    {%- endif -%}
    {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == name -%}
        {{ return(read_relation(node) in sampled) }}
    {%- endfor -%}
    {{ return(false) }}
{%- endmacro %}

{# The sample that the compiled model has in this build, or none. `by_date`: whether it reads a relation by date that has all days.
   What is built from samples alone has all of their rows, so that the lines of a file balance with all that is made of them.
   A report that reads no sample and no lines is built whole. Samples and whole relations of one target are not mixed. #}
{% macro sample_of_model(parents) -%}
    {%- set sample = sample_of_build() -%}
    {%- set known = sampled_relations() -%}
    {%- set found = {'sampled': false, 'by_date': false} -%}
    {%- for parent in parents.followed -%}
        {%- set other = known.get(parent.relation_name) -%}
        {%- if other and other != sample -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ ' would read ' ~ parent.relation_name | replace('"', '') ~ ', which has a sample: ' ~ other.days
                ~ '. Build it in the same run, with the same --sample or without one: make dev'
            ) }}
        {%- elif other -%}
            {%- do found.update({'sampled': true}) -%}
        {%- elif graph.nodes[parent.unique_id].config.meta.get('date_column') -%}
            {%- do found.update({'by_date': true}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not sample or not rebuilt_in_part(model) and not found.sampled
        and 'macro.sales_warehouse.only_sampled_dates' not in model.depends_on.macros -%}
        {{ return(none) }}
    {%- endif -%}
    {%- do sample.update({'by_date': found.by_date}) -%}
    {{ return(sample) }}
{%- endmacro %}

{# For the `where` of a model that reads lines or orders and is rebuilt as a whole: in a build with --sample, only the days of the
   sample. The only_touched_… macros have the same condition in a build from nothing. #}
{% macro only_sampled_dates(column, last_column=none) -%}
    {%- set sample = (model.build_window or {}).sample -%}
    {{ return(in_periods(column, sample.periods, last_column) if sample and sample.by_date else 'true') }}
{%- endmacro %}

{# Whether a model that is rebuilt as a whole reads both samples and relations with all days, and takes no part of these. #}
{% macro is_mixed(node, sampled) -%}
    {%- set taking = ['macro.sales_warehouse.only_sampled_dates', 'macro.sales_warehouse.only_sampled_side'] -%}
    {%- if rebuilt_in_part(node) or not has_watermark(node) or read_relation(node) not in sampled
        or node.depends_on.macros | select('in', taking) | list -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(ancestors(node).followed | map(attribute='relation_name') | reject('in', sampled) | list | length > 0) }}
{%- endmacro %}

{# Whether a data test cannot be made, because only some of the relations that it compares have the sample. #}
{% macro is_beyond_sample(test, sampled) -%}
    {%- set attached = graph.nodes.get(test.attached_node) if test.attached_node else none -%}
    {%- set found = {'sampled': false, 'whole': false, 'mixed': false} -%}
    {%- for unique_id in test.depends_on.nodes if sampled and unique_id in graph.nodes -%}
        {%- set node = graph.nodes[unique_id] -%}
        {%- do found.update({'mixed': true}) if is_mixed(node, sampled) -%}
        {%- if has_watermark(node) and unique_id != test.attached_node -%}
            {%- do found.update({'sampled' if read_relation(node) in sampled else 'whole': true}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not attached -%}
        {{ return(found.mixed) }}
    {%- elif read_relation(attached) not in sampled -%}
        {{ return(found.sampled) }}
    {%- elif test.test_metadata.name == 'relationships' -%}
        {#- files have lines of other days -#}
        {{ return(found.sampled and is_by_file(attached) and not is_sampled('fct_sales_lines')) }}
    {%- elif test.test_metadata.name != 'same_totals' -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set by = test.test_metadata.kwargs.get('other_by') or test.test_metadata.kwargs.by -%}
    {%- set takes_part = rebuilt_in_part(attached) and ('_file_id' in by or 'order_date' in by) -%}
    {{ return(found.mixed or found.whole and not takes_part) }}
{%- endmacro %}

{# For a data test of a relation that has a sample: of the other relation, the rows with a file or a day of the sample. #}
{% macro only_rows_of_sample(columns) -%}
    {%- set sampled = sampled_relations() -%}
    {%- for unique_id in model.depends_on.nodes if sampled and unique_id in graph.nodes -%}
        {%- set sample = sampled.get(read_relation(graph.nodes[unique_id])) -%}
        {%- if sample and '_file_id' in columns -%}
            {{ return(in_list('_file_id', sample.files)) }}
        {%- elif sample and 'order_date' in columns and not is_sampled('fct_sales_lines') -%}
            {{ return(in_periods('order_date', sample.periods)) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return('true') }}
{%- endmacro %}
