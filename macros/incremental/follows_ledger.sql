{# Whether a build writes only what is new in it. #}
{% macro follows_ledger(node) -%}
    {{ return(node.config.materialized in ('incremental_by_ledger', 'table_when_new')) }}
{%- endmacro %}

{# Whether a model has a watermark: also a view of marts, so that its tests read nothing when nothing is new. #}
{% macro has_watermark(node) -%}
    {{ return(follows_ledger(node) or node.config.materialized == 'view_of_marts') }}
{%- endmacro %}

{# Whether a build replaces some of its rows, and not all of them. #}
{% macro rebuilt_in_part(node) -%}
    {{ return(node.config.materialized == 'incremental_by_ledger') }}
{%- endmacro %}

{# Whether a build replaces the rows of whole files in it. #}
{% macro is_by_file(node) -%}
    {{ return(node.config.incremental_strategy in ('by_file', 'by_event_key', 'by_lookup_key')) }}
{%- endmacro %}
