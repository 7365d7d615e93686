{# The day to which a sale belongs where a day of trading ends after midnight: at 04:00 a sale of 03:59 is one of the day before.
   `day_ends_at` is a text HH:MM before noon; NULL is midnight. Texts of one length compare as the times do. #}
{% macro business_day(wall_clock, day_ends_at) -%}
    cast({{ wall_clock }} as date) - case
        when substring(cast({{ wall_clock }} as {{ text_type() }}), 12, 5) < {{ day_ends_at }} then 1 else 0
    end
{%- endmacro %}
