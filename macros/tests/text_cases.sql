{# Cases of the macros for texts. #}
{% macro text_cases() -%}
    {{ return([
        {
            'call': 'trimmed()', 'sql': trimmed('given'),
            'cases': [
                (' a b ', 'a b'), ('\t\r\n\u00a0a\u00a0', 'a'), (' \t\r\n\u00a0', none), ('', none), (none, none), ("'", "'"),
                ('\u2003a', '\u2003a'),
            ],
        },
        {
            'call': "matches('^[A-Z]{2}$')", 'sql': matches('given', '^[A-Z]{2}$'),
            'cases': [('AB', 'true'), ('ab', 'false'), ('ABC', 'false'), ('A\nB', 'false'), ('', 'false'), (none, none)],
        },
        {
            'call': "is_blank_record(['given', 'expected'])", 'sql': is_blank_record(['given', "nullif(expected, 'true')"]),
            'cases': [(' \t', 'true'), (none, 'true'), ('a', 'false')],
        },
    ]) }}
{%- endmacro %}
