{# Days are counted as if 1900 had a 29 February, number 60, which never was: those before it are one day nearer to the
   start. 2958465 is 31 December 9999. The same on every engine, so nothing is dispatched. #}
{% macro try_excel_date(expression) -%}
    {%- set expression = operand(expression) -%}
    case
        when translate({{ expression }}, '0123456789', '') = '' and length({{ expression }}) between 1 and 7
            then
                case
                    when cast({{ expression }} as integer) between 61 and 2958465
                        then cast('1899-12-30' as date) + cast({{ expression }} as integer)
                    when cast({{ expression }} as integer) between 1 and 59
                        then cast('1899-12-31' as date) + cast({{ expression }} as integer)
                end
    end
{%- endmacro %}
