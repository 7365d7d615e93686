{% macro try_date(expression, format='YYYY-MM-DD') -%}
    {{ return(adapter.dispatch('try_date', 'sales_warehouse')(operand(expression), format)) }}
{%- endmacro %}

{# Written back, the value must give the same text. This refuses texts that the engine reads more freely. #}
{% macro default__try_date(expression, format) -%}
    {%- set read = read_format(expression, format) -%}
    {%- if read.has_time -%}
        {{ exceptions.raise_compiler_error('try_date: ' ~ format ~ ' has a time; use try_timestamp') }}
    {%- endif -%}
    case
        when {{ expression }} like '{{ read.shape }}' and pg_input_is_valid({{ read.iso_text }}, 'date')
            then
                case
                    when to_char(cast({{ read.iso_text }} as date), '{{ format }}') = {{ expression }}
                        then cast({{ read.iso_text }} as date)
                end
    end
{%- endmacro %}
