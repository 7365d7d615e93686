{# Names of columns are normalised header texts, so both sides are compared without case, blanks and punctuation.
   The first character is tested first: it decides nearly every row and costs a tenth of the whole comparison. A header
   such as `# Order` begins with punctuation. #}
{% macro is_repeated_header(columns) -%}
    {%- set punctuation = '!"#$%&()*+,-./:;<=>?@[]^_`{|}~\u005c§°±·×«»¡¿–—‘’“”„…†•€£¥¢' ~ "''" -%}
    {%- set blanks = 'chr(9) || chr(10) || chr(13) || chr(32) || chr(160)' -%}
    {%- set separator = ' || chr(31) || ' -%}
    {%- set names = [] -%}
    {%- for column in columns -%}
        {%- do names.append("'" ~ bare_name(column) | replace('_', '') ~ "'") -%}
    {%- endfor -%}
    {%- set first = bare_name(columns[0])[0] -%}
    coalesce(
        position(substring({{ trimmed(column_name(columns[0])) }}, 1, 1) in '{{ first ~ first | upper ~ punctuation }}') > 0
        and translate(lower(concat_ws(chr(31), {{ column_list(columns) }})), '{{ punctuation }}' || {{ blanks }}, '') {#- portable: names of columns are ASCII #}
        = {{ names | join(separator) }},
        false
    )
{%- endmacro %}
