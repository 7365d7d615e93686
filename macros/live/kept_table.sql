{# A table of which no build writes the rows: live.fill() does. It is made, or emptied, when its code or the code of what it reads
   changed, because its rows were made by that code. #}
{% materialization kept_table, default %}
    {%- set window = look_up_window() -%}
    {%- do model.update({'build_window': window}) -%}
    {%- if not window.is_whole -%}
        {{ return(leave_alone()) }}
    {%- endif -%}
    {%- do context.update({'sql': 'select * from (\n' ~ sql ~ '\n) as rows_of_fills where false'}) -%}
    {{ return(replace_table()) }}
{% endmaterialization %}

{# Post-hook of such a table, in the transaction that emptied it: the next fill starts from the publication. #}
{% macro start_live_again() -%}
    {%- if execute and model.build_window and model.build_window.is_whole -%}
        update live.state set publication = null;
        delete from live.files;
        select ledger.identify_rows(array[to_regclass('{{ this }}')])
    {%- endif -%}
{%- endmacro %}
