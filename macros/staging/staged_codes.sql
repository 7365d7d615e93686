{# Keeps in the meta of the model that is parsed which codes its rows can have with an outcome; feed_issues and others read it. A
   code of a model without macros is declared in the same way: `do declare_codes('skipped', ['row:blank'])`. #}
{% macro declare_codes(outcome, codes) -%}
    {%- do config(meta={'codes_' ~ outcome: codes}) if codes -%}
{%- endmacro %}

{# The codes of a staging model. One that is written by hand and looks for blank rows or headers has the codes of both. #}
{% macro staged_codes(node) -%}
    {%- set meta = node.config.meta or {} -%}
    {%- set codes = meta.get('codes_skipped', []) + meta.get('codes_quarantined', []) + meta.get('codes_flagged', []) -%}
    {%- for macro, code in [('is_blank_record', 'row:blank'), ('is_repeated_header', 'row:repeated_header')] -%}
        {%- do codes.append(code) if 'macro.sales_warehouse.' ~ macro in (node.depends_on or {}).get('macros', []) -%}
    {%- endfor -%}
    {{ return(codes | unique | list) }}
{%- endmacro %}
