{# Names of columns are normalised header texts, so both sides are compared without case, blanks and punctuation.
   First and last character of the first column are tested first: they decide nearly every row and cost a fiftieth of the whole
   comparison. A header such as `# Order` begins with punctuation. #}
{% macro is_repeated_header(columns) -%}
    {%- set punctuation = '!"#$%&()*+,-./:;<=>?@[]^_`{|}~' ~ backslash_in_literal() ~ '§°±·×«»¡¿–—‘’“”„…†•€£¥¢' ~ "''" -%}
    {%- set blanks = 'chr(9) || chr(10) || chr(13) || chr(32) || chr(160)' -%}
    {%- set separator = ' || chr(31) || ' -%}
    {%- set names = [] -%}
    {%- for column in columns -%}
        {%- do names.append("'" ~ bare_name(column) | replace('_', '') ~ "'") -%}
    {%- endfor -%}
    {%- set first_column = trimmed(column_name(columns[0])) -%}
    {%- set first_name = bare_name(columns[0]) | replace('_', '') -%}
    coalesce(
        {%- for part in [
            {'text': 'substring(' ~ first_column ~ ', 1, 1)', 'letter': first_name[:1]},
            {'text': 'right(' ~ first_column ~ ', 1)', 'letter': first_name[-1:]},
        ] %}
        {{ 'and ' if not loop.first }}position({{ part.text }} in '{{ part.letter ~ part.letter | upper ~ punctuation }}') > 0
        {%- endfor %}
        and translate(lower(concat_ws(chr(31), {{ column_list(columns) }})), '{{ punctuation }}' || {{ blanks }}, '') {#- portable: names of columns are ASCII #}
        = {{ names | join(separator) }},
        false
    )
{%- endmacro %}
