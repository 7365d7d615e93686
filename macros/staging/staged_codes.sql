{# Keeps in the meta of the model that is parsed which codes its rows can have with an outcome; feed_issues and others read it. A
   code of a model without macros is declared in the same way: `do declare_codes('skipped', ['row:blank'])`. #}
{% macro declare_codes(outcome, codes) -%}
    {%- do config(meta={'codes_' ~ outcome: codes}) if codes -%}
{%- endmacro %}

{# The codes of a staging model. #}
{% macro staged_codes(node) -%}
    {%- set meta = node.config.meta or {} -%}
    {{ return(
        (meta.get('codes_skipped', []) + meta.get('codes_quarantined', []) + meta.get('codes_flagged', [])) | unique | list
    ) }}
{%- endmacro %}
