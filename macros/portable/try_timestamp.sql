{% macro try_timestamp(expression) -%}
    {{ return(adapter.dispatch('try_timestamp', 'sales_warehouse')(expression)) }}
{%- endmacro %}

{# Written back, the value must give the very text: that keeps out 24:00:00 and 23:59:60, which the engine would move
   to the next day or minute. A pattern with the same effect takes twice as long on PostgreSQL. #}
{% macro default__try_timestamp(expression) -%}
    case
        when {{ expression }} like '____-__-__ __:__:__' and pg_input_is_valid({{ expression }}, 'timestamp')
            then
                case
                    when to_char(cast({{ expression }} as timestamp), 'YYYY-MM-DD HH24:MI:SS') = {{ expression }}
                        then cast({{ expression }} as {{ wall_clock_type() }})
                end
    end
{%- endmacro %}
