{# A key of the values that name a thing together where the source gives it no number, such as the order of a till by store, day and
   receipt: `12:2024-05-02:7`. NULL where one of them is missing, so the row has the code `:missing`. Equal for equal values alone:
   % and : within a value are written as %25 and %3A. #}
{% macro key_of(columns) -%}
    {%- set values = [] -%}
    {%- for column in columns -%}
        {%- do values.append(
            "replace(replace(" ~ trimmed(column_name(column)) ~ ", '%', '%25'), ':', '%3A')"
        ) -%}
    {%- endfor -%}
    {{ return(values | join(" || ':' || ")) }}
{%- endmacro %}
