{# Column names are normalised header names, so both sides are compared without case, blanks and punctuation.
   The first letter is tested first: it decides nearly every row and costs a tenth of the whole comparison. #}
{% macro is_repeated_header(columns) -%}
    coalesce(
        substring({{ trimmed(columns[0]) }}, 1, 1) in ('{{ columns[0][0] }}', '{{ columns[0][0] | upper }}')
        and translate(lower(concat_ws(',', {{ columns | join(', ') }})), ' _-./' || chr(160), '') {#- portable: names of columns are ASCII #}
        = '{{ columns | join(",") | replace("_", "") }}',
        false
    )
{%- endmacro %}
