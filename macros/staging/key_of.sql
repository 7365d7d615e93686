{# A key of the values that name a thing together where the source gives it no number, such as the order of a till by store, day and
   receipt: `12:2024-05-02:7`. NULL where one of them is missing, so the row has the code `:missing`. Equal for equal values alone:
   % and : within a value are written as %25 and %3A. #}
{% macro key_of(columns) -%}
    {%- set values = [] -%}
    {%- for column in columns -%}
        {%- do values.append(key_part(trimmed(column_name(column)))) -%}
    {%- endfor -%}
    {{ return(values | join(" || ':' || ")) }}
{%- endmacro %}

{# The same of typed columns, with an expression before them or a text behind them. #}
{% macro key_of_values(columns, first=none, last=none) -%}
    {%- set values = [] -%}
    {%- do values.append('cast(' ~ first ~ ' as ' ~ text_type() ~ ')') if first -%}
    {%- for column in columns -%}
        {%- do values.append(key_part('cast(' ~ column_name(column) ~ ' as ' ~ text_type() ~ ')')) -%}
    {%- endfor -%}
    {%- do values.append(key_part(last)) if last -%}
    {{ return(values | join(" || ':' || ")) }}
{%- endmacro %}

{% macro key_part(text) -%}
    {{ return("replace(replace(" ~ text ~ ", '%', '%25'), ':', '%3A')") }}
{%- endmacro %}
