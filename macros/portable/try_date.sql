{% macro try_date(expression) -%}
    {{ return(adapter.dispatch('try_date', 'sales_warehouse')(expression)) }}
{%- endmacro %}

{# Written back, the value must give the very text: that keeps out whatever the engine would read more freely. #}
{% macro default__try_date(expression) -%}
    case
        when {{ expression }} like '____-__-__' and pg_input_is_valid({{ expression }}, 'date')
            then
                case
                    when to_char(cast({{ expression }} as date), 'YYYY-MM-DD') = {{ expression }}
                        then cast({{ expression }} as date)
                end
    end
{%- endmacro %}
