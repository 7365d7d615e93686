{% macro issue_codes(checks) -%}
    {%- for code, condition in checks -%}
    {{ '\n        || ' if not loop.first }}case when {{ condition }} then ';{{ code }}' else '' end
    {%- endfor %}
{%- endmacro %}
