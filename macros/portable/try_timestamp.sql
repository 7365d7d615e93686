{% macro try_timestamp(expression, format='YYYY-MM-DD HH24:MI:SS') -%}
    {{ return(adapter.dispatch('try_timestamp', 'sales_warehouse')(operand(expression), format)) }}
{%- endmacro %}

{# Written back, the value must give the same text. This refuses 24:00:00 and 23:59:60, which the engine would move
   to the next day or minute. A pattern with the same effect takes twice as long on PostgreSQL. #}
{% macro default__try_timestamp(expression, format) -%}
    {%- set read = read_format(expression, format) -%}
    {%- if not read.has_time -%}
        {{ exceptions.raise_compiler_error('try_timestamp: ' ~ format ~ ' has no time; use try_date') }}
    {%- endif -%}
    case
        when {{ expression }} like '{{ read.shape }}' and pg_input_is_valid({{ read.iso_text }}, 'timestamp')
            then
                case
                    when to_char(cast({{ read.iso_text }} as timestamp), '{{ format }}') = {{ expression }}
                        then cast({{ read.iso_text }} as {{ wall_clock_type() }})
                end
    end
{%- endmacro %}
