{# On prod the layers have plain names. On another target the schema of the target comes first, in letters that need no
   quotes in SQL, as it is made from the name of a person. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name is none -%}
        {{ target.schema }}
    {%- elif target.name == 'prod' -%}
        {{ custom_schema_name | trim }}
    {%- else -%}
        {{ modules.re.sub('[^a-z0-9]+', '_', target.schema | lower) }}_{{ custom_schema_name | trim }}
    {%- endif -%}
{%- endmacro %}
