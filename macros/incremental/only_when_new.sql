{% macro only_when_new() -%}
    {%- set is_due = not execute or model.resource_type != 'model' or not follows_ledger(model) or not is_incremental() -%}
    {{ return('/*new*/ ' ~ ('true' if is_due else 'false') ~ ' /*new*/') }}
{%- endmacro %}
