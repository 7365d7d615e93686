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
    {%- endif -%}
{%- endmacro %}
