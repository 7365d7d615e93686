{# On-run-end, the last of them: on a target of one's own, where the run has built, and how it gets to the others. #}
{% macro print_schemas(results) -%}
    {%- if execute and target.name != 'prod' -%}
        {%- set schemas = [] -%}
        {%- for result in results
            if result.node.resource_type in ('model', 'seed', 'snapshot') and result.status == 'success'
            and result.node.schema not in schemas -%}
            {%- do schemas.append(result.node.schema) -%}
        {%- endfor -%}
        {%- if schemas -%}
            {%- do log(
                'Built in ' ~ schemas | sort | join(', ') ~ ' (target ' ~ target.name ~ '). What others read is as it was.'
                ~ ' To publish: warehouse build', info=true
            ) -%}
        {%- endif -%}
        {%- do print_sample(results) -%}
    {%- endif -%}
{%- endmacro %}

{# What of the sample is in the relations, which of them are whole all the same, and what was not tested. #}
{% macro print_sample(results) -%}
    {%- set sample, sampled = sample_of_build(), sampled_relations() -%}
    {%- set whole, mixed, untested = [], [], [] -%}
    {%- for result in results -%}
        {%- set node = result.node -%}
        {%- if node.resource_type == 'model' and result.status == 'success' and has_watermark(node)
            and node.relation_name not in sampled -%}
            {%- do whole.append(node.name) -%}
        {%- elif node.resource_type == 'model' and is_mixed(node, sampled) -%}
            {%- do mixed.append(node.name) -%}
        {%- elif node.name == 'reconciliation' and node.relation_name in sampled -%}
            {%- for row in run_query(
                'select distinct step from ' ~ node.relation_name ~ " where scope like '" ~ scope_beyond_sample() ~ "%'"
            ).rows -%}
                {%- do untested.append('reconciliation (' ~ row.step ~ ')') -%}
            {%- endfor -%}
        {%- elif node.resource_type == 'test' and is_beyond_sample(node, sampled) -%}
            {%- do untested.append(node.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if sample -%}
        {%- do log(
            'A sample: ' ~ sample.days ~ ', of ' ~ sample.files | length ~ ' files. Other days of these files are not complete.'
            ~ (' Whole, because they read no sample: ' ~ whole | sort | join(', ') ~ '.' if whole else '')
            ~ (' Of the sample and of whole relations: ' ~ mixed | sort | join(', ') ~ '.' if mixed else ''), info=true
        ) -%}
    {%- endif -%}
    {%- if untested -%}
        {%- do log('Not tested, because only one side has the sample: ' ~ untested | sort | join(', '), info=true) -%}
    {%- endif -%}
{%- endmacro %}
