{# No row while dbt parses. #}
{% macro rule_rows() -%}
    {%- for used in used_rules() %}
    {%- set limit = rule_limit(used.rule, '') %}
    {{ 'union all' if not loop.first }}
    select
        cast('{{ used.feed }}' as {{ text_type() }}) as feed,
        cast('{{ used.rule.code }}' as {{ text_type() }}) as issue_code,
        cast('{{ used.rule.outcome }}' as {{ text_type() }}) as outcome,
        cast({{ "'" ~ limit ~ "'" if limit is not none else 'null' }} as {{ text_type() }}) as rule_limit,
        cast('{{ used.rule.description | replace("'", "''") }}' as {{ text_type() }}) as description
    {%- else %}
    select
        cast(null as {{ text_type() }}) as feed,
        cast(null as {{ text_type() }}) as issue_code,
        cast(null as {{ text_type() }}) as outcome,
        cast(null as {{ text_type() }}) as rule_limit,
        cast(null as {{ text_type() }}) as description
    where false
    {%- endfor %}
{%- endmacro %}
