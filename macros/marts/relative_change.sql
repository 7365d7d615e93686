{# Against nothing or a negative amount a change has no size: from -10 to 20 is neither -300 % nor +300 %.
   28 digits, for a day that sold a cent makes any other day a large one. #}
{% macro relative_change(amount, base) -%}
    case when {{ base }} > 0 then {{ div(amount ~ ' - ' ~ base, base, *decimal_size('ratio_type')) }} end
{%- endmacro %}
