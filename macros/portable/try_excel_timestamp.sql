{% macro try_excel_timestamp(expression) -%}
    {{ return(adapter.dispatch('try_excel_timestamp', 'sales_warehouse')(operand(expression))) }}
{%- endmacro %}

{# A second is no decimal part of a day, so it is met only nearly: by less than a thousandth with the 15 digits a
   workbook keeps. A value farther away was rounded by its sender, and its second is unknown. #}
{% macro default__try_excel_timestamp(expression) -%}
    {%- set serial = 'cast(' ~ expression ~ ' as numeric(20, 13))' -%}
    case
        when {{ try_decimal(expression, 20, 13) }} >= 1
            then
                case
                    when
                        round({{ serial }} * 86400) < cast(2958466 as bigint) * 86400
                        and trunc({{ serial }}) <> 60 and round({{ serial }} * 86400) <> 60 * 86400
                        and abs({{ serial }} * 86400 - round({{ serial }} * 86400)) < 0.001
                        then
                            cast(
                                case when {{ serial }} < 60 then '1899-12-31 00:00:00' else '1899-12-30 00:00:00' end
                                as {{ wall_clock_type() }}
                            )
                            + make_interval(secs => round({{ serial }} * 86400))
                end
    end
{%- endmacro %}

{% macro spark__try_excel_timestamp(expression) -%}
    {%- set serial = 'cast(' ~ expression ~ ' as numeric(20, 13))' -%}
    case
        when {{ try_decimal(expression, 20, 13) }} >= 1
            then
                case
                    when
                        round({{ serial }} * 86400) < cast(2958466 as bigint) * 86400
                        and floor({{ serial }}) <> 60 and round({{ serial }} * 86400) <> 60 * 86400
                        and abs({{ serial }} * 86400 - round({{ serial }} * 86400)) < 0.001
                        then
                            cast(
                                case when {{ serial }} < 60 then '1899-12-31 00:00:00' else '1899-12-30 00:00:00' end
                                as timestamp_ntz
                            )
                            + make_dt_interval(0, 0, 0, cast(round({{ serial }} * 86400) as numeric(18, 6)))
                end
    end
{%- endmacro %}
