{# Each span of days of a series beside the same one a year before: of the same dates, and of the comparable ones. What a span
   sold is what the series had sold by its end less what it had before its start. So 29 February adds to one span only, and a
   span whose start or end the series does not have is NULL instead of too small. #}
{% macro spans_against_last_year(spans, days) -%}
    select
        {{ spans }}.*,
        last_days.month_to_date_amount,
        last_days.quarter_to_date_amount,
        last_days.year_to_date_amount,
        last_days.average_amount_28_days
        {%- for dates in ['same', 'comparable'] %}
        {%- for currency in ['', '_reporting'] %},
        {{ dates }}_last_days.series_to_date_amount{{ currency }}
        - {{ dates }}_first_days.series_to_date_amount{{ currency }}
        + {{ dates }}_first_days.net_sales_amount{{ currency }} as {{ dates }}_dates_last_year_amount{{ currency }}
        {%- endfor %}
        {%- endfor %}
    from {{ spans }}
    {#- the four of the year before miss where the series began less than a year before #}
    {%- for joined, date in [
        ('inner join', 'last'),
        ('left join', 'same_first'),
        ('left join', 'same_last'),
        ('left join', 'comparable_first'),
        ('left join', 'comparable_last'),
    ] %}
    {{ joined }} {{ days }} as {{ date }}_days
        on
            {{ spans }}.source_system = {{ date }}_days.source_system
            and {{ spans }}.currency = {{ date }}_days.currency
            and {{ spans }}.{{ date }}_date = {{ date }}_days.date_day
    {%- endfor %}
{%- endmacro %}
