{# The table of columns of a staging model, checked and completed:

   source       delivered column, none without one
   text         name of its trimmed text, which casts and checks use several times; none of a plain text
   kind, size   of the cast: decimal and [18, 6]
   level        0: computed from texts; n: from columns of the levels before
   shape        of a text that is put in the order of ISO before it is cast, which takes half as long as to do it in the cast
   refers_to    the earlier columns that its expression uses
   expression   SQL of the value #}
{% macro staging_columns(columns, delivered) -%}
    {%- set found = [] -%}
    {%- for given in columns -%}
        {%- set column = staging_column(given, delivered, found) -%}
        {%- if column.name in found | map(attribute='name') | list -%}
            {{ exceptions.raise_compiler_error(staged_feed() ~ ': the column ' ~ column.name ~ ' is there twice.') }}
        {%- endif -%}
        {%- set words = words_of(column['is'] or '') -%}
        {%- set referred = found | selectattr('name', 'in', words) | list -%}
        {%- do column.update({
            'refers_to': referred | map(attribute='name') | list,
            'level': referred | map(attribute='level') | max + 1 if referred else 0,
        }) -%}
        {%- do found.append(column) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{% macro staging_column(given, delivered, earlier) -%}
    {%- set column = {
        'name': none, 'from': none, 'cast': 'text', 'format': none, 'months': none, 'decimal_mark': none, 'thousands_mark': '',
        'currency_sign': '', 'default': none, 'required': false, 'accepted': none, 'is': none, 'constant': none, 'of_file': false,
        'in_sequence': false, 'checks': [], 'hidden': false, 'unique_within': none, 'round': none,
    } -%}
    {%- for key in given if key not in column -%}
        {{ exceptions.raise_compiler_error(
            staged_feed() ~ ': the key ' ~ key ~ ' of the column ' ~ given.get('name') ~ ' is unknown. Known are: '
            ~ column | join(', ') ~ '.'
        ) }}
    {%- endfor -%}
    {%- do column.update(given) -%}
    {%- if column.unique_within -%}
        {%- do column.update(key_within(column, earlier | map(attribute='name') | list)) -%}
    {%- endif -%}
    {%- set is_read = column['from'] or not (column['is'] or column.of_file or column.constant is not none) -%}
    {%- set source = (column['from'] or column.name) if is_read else none -%}
    {%- if not column.name or is_read and source not in delivered and not source.startswith('_') -%}
        {{ exceptions.raise_compiler_error(
            staged_feed() ~ ': the column ' ~ column.name ~ ' is read from ' ~ source ~ ', which is not delivered. Delivered are: '
            ~ delivered | join(', ') ~ '.'
        ) }}
    {%- endif -%}
    {%- set cast = staging_cast(column) -%}
    {%- do assert_round(column, cast) -%}
    {%- do assert_amount(column, cast) -%}
    {%- do column.update({'source': source, 'kind': cast.kind, 'size': cast.size, 'shape': none, 'text': none}) -%}
    {%- if is_read and (cast.kind != 'text' or column['is'] or column.default is not none) -%}
        {%- do column.update({'text': column.name ~ '_text'}) -%}
        {%- if column.text in delivered -%}
            {{ exceptions.raise_compiler_error(
                staged_feed() ~ ': the text of the column ' ~ column.name ~ ' is called ' ~ column.text
                ~ ', and a delivered column is too. Give the column another name.'
            ) }}
        {%- endif -%}
    {%- endif -%}
    {%- if cast.kind in ('date', 'timestamp') and is_read and not column['is'] and column.default is none -%}
        {%- do column.update(rearranged_text(column.text, column.format, column.months)) -%}
    {%- endif -%}
    {%- do column.update({'has_scale': has_scale(column, earlier)}) -%}
    {%- do column.update({'expression': staging_expression(column)}) -%}
    {{ return(column) }}
{%- endmacro %}

{# A number that is unique only together with earlier columns, such as that of a receipt within store, till and day. #}
{% macro key_within(column, earlier) -%}
    {%- for name in column.unique_within if name not in earlier -%}
        {{ exceptions.raise_compiler_error(
            staged_feed() ~ ': unique_within of the column ' ~ column.name ~ ' names ' ~ name ~ ', which is no earlier column. Those are: '
            ~ earlier | join(', ') ~ '.'
        ) }}
    {%- endfor -%}
    {%- if column['is'] or column.cast != 'text' -%}
        {{ exceptions.raise_compiler_error(
            staged_feed() ~ ': the column ' ~ column.name ~ ' has unique_within, so it is a delivered text, without is or cast.'
        ) }}
    {%- endif -%}
    {{ return({
        'from': column['from'] or column.name,
        'is': key_of_values(column.unique_within, last=column.name ~ '_text'),
    }) }}
{%- endmacro %}

{# Rounding is to a number of decimals that the type has. #}
{% macro assert_round(column, cast) -%}
    {%- if column.round is not none and (
        cast.kind != 'decimal' or column.round is boolean or column.round is not integer or not 0 <= column.round <= cast.size[1]
    ) -%}
        {{ exceptions.raise_compiler_error(
            staged_feed() ~ ': the column ' ~ column.name ~ ' has round: ' ~ column.round ~ '. It is for the cast decimal, and a number of '
            ~ "decimals that the type has, such as 'round': 4."
        ) }}
    {%- endif -%}
{%- endmacro %}

{# The union takes the columns of a sales line by their names, and the fact would round what its type does not hold. #}
{% macro assert_amount(column, cast) -%}
    {%- set precision, scale = decimal_size('amount_type') -%}
    {%- set digits = cast.size if cast.kind in ('decimal', 'amount') else cast.size + [0] if cast.kind == 'integer' else [0, 0] -%}
    {%- if not column.hidden and column.name in amounts_of_sales_lines()
        and (digits[1] > scale or digits[0] - digits[1] > precision - scale) -%}
        {{ exceptions.raise_compiler_error(
            staged_feed() ~ ': the column ' ~ column.name ~ ' has the cast ' ~ column.cast ~ ', and that of a sales line is '
            ~ var('amount_type') ~ '. Leave the size out; to keep longer numbers too, give them a column with another name.'
        ) }}
    {%- endif -%}
{%- endmacro %}

{# Kind and size of a cast such as decimal(9, 4). #}
{% macro staging_cast(column) -%}
    {%- set sizes = {
        'text': [], 'integer': [12], 'decimal': decimal_size('amount_type'), 'amount': decimal_size('amount_type'),
        'rate': decimal_size('rate_type'), 'date': [], 'timestamp': [], 'excel_date': [], 'excel_timestamp': [], 'wall_clock': [],
    } -%}
    {%- set parts = modules.re.fullmatch('([a-z_]+)(?:[(]([0-9]+(?:, [0-9]+)?)[)])?', column.cast) -%}
    {%- set kind = parts.group(1) if parts else none -%}
    {%- set given = parts.group(2).split(', ') | map('int') | list if parts and parts.group(2) else sizes.get(kind, []) -%}
    {%- if kind not in sizes or given | length != sizes[kind] | length or column['is'] and kind not in ('text', 'decimal', 'date') -%}
        {{ exceptions.raise_compiler_error(
            staged_feed() ~ ': the cast ' ~ column.cast ~ ' of the column ' ~ column.name ~ ' is unknown. Known are: '
            ~ sizes | join(', ') ~ ', with a size such as decimal(9, 4) or integer(6); of `is`: decimal and date.'
        ) }}
    {%- endif -%}
    {%- if kind in ('amount', 'rate') and not column.decimal_mark -%}
        {{ exceptions.raise_compiler_error(
            staged_feed() ~ ': the column ' ~ column.name ~ ' needs decimal_mark: 1,234 means two numbers.'
        ) }}
    {%- endif -%}
    {{ return({'kind': kind, 'size': given}) }}
{%- endmacro %}

{# A text in a format of fixed width, as the text of the same moment in ISO; nothing where the cast reads the text as it is, and
   for names of months and formats of any other kind. #}
{% macro rearranged_text(text, format, months) -%}
    {%- if format is not string or format in ('YYYY-MM-DD', 'YYYY-MM-DD HH24:MI', 'YYYY-MM-DD HH24:MI:SS') -%}
        {{ return({}) }}
    {%- endif -%}
    {%- set read = read_format(text, format, months) -%}
    {{ return({'shape': read.shape, 'iso_text': read.iso_text} if not read.pattern and 'Mon' not in format else {}) }}
{%- endmacro %}

{# The value of `is` rounded as its column says; nothing where it does not. #}
{% macro rounded_expression(column) -%}
    {{ return('round(' ~ column['is'] | trim ~ ', ' ~ column.round ~ ')' if column['is'] and column.round is not none else none) }}
{%- endmacro %}

{# Whether a computed decimal has no more decimals than its type, whatever the values: rounded, or a sum or product of earlier numbers.
   Then they are not counted, which would compute the value once more. #}
{% macro has_scale(column, earlier) -%}
    {%- set formula = (column['is'] or '') | replace('cast(', '(') | replace(' as numeric)', ')') | trim -%}
    {%- if column.kind != 'decimal' or not modules.re.fullmatch('[a-z0-9_ ()*+-]+', formula) -%}
        {{ return(column.round is not none) }}
    {%- endif -%}
    {%- set scales = [] -%}
    {%- for word in modules.re.findall('[a-z_][a-z0-9_]*', formula) -%}
        {%- set referred = earlier | selectattr('name', 'equalto', word) | selectattr('kind', 'in', ['integer', 'decimal', 'amount']) | first -%}
        {%- do scales.append((referred.size + [0])[1] if referred else 99) -%}
    {%- endfor -%}
    {{ return(column.round is not none or (scales | sum if '*' in formula else ([0] + scales) | max) <= column.size[1]) }}
{%- endmacro %}

{% macro staging_expression(column) -%}
    {%- set text = column.text -%}
    {%- if text and column.default is not none -%}
        {%- set text = 'coalesce(' ~ text ~ ", '" ~ column.default ~ "')" -%}
    {%- endif -%}
    {%- if column['is'] and column.kind == 'decimal' -%}
        {{ return(fit_decimal(rounded_expression(column) or column['is'] | trim, column.size[0], column.size[1], column.has_scale)) }}
    {%- elif column['is'] and column.kind == 'date' -%}
        {{ return('cast(' ~ column['is'] | trim ~ ' as date)') }}
    {%- elif column['is'] -%}
        {{ return(column['is'] | trim) }}
    {%- elif column.of_file -%}
        {{ return(column.name) }}
    {%- elif column.constant is not none -%}
        {{ return("cast('" ~ column.constant | replace("'", "''") ~ "' as " ~ text_type() ~ ')') }}
    {%- elif column.kind == 'integer' -%}
        {{ return(try_integer(text, column.size[0])) }}
    {%- elif column.kind == 'decimal' -%}
        {{ return(try_long_decimal(text, column.size[0], column.size[1], column.round)) }}
    {%- elif column.kind == 'amount' -%}
        {{ return(try_amount(text, column.size[0], column.size[1], column.decimal_mark, column.thousands_mark, column.currency_sign)) }}
    {%- elif column.kind == 'rate' -%}
        {{ return(try_rate(text, column.size[0], column.size[1], column.decimal_mark)) }}
    {%- elif column.shape -%}
        {%- set text = column.name ~ '_iso_text' -%}
        {{ return(try_date(text) if column.kind == 'date' else try_timestamp(text)) }}
    {%- elif column.kind == 'date' -%}
        {{ return(try_date(text, column.format or 'YYYY-MM-DD', column.months)) }}
    {%- elif column.kind == 'timestamp' -%}
        {{ return(try_timestamp(text, column.format or 'YYYY-MM-DD HH24:MI:SS', column.months)) }}
    {%- elif column.kind == 'excel_date' -%}
        {{ return(try_excel_date(text)) }}
    {%- elif column.kind == 'excel_timestamp' -%}
        {{ return(try_excel_timestamp(text)) }}
    {%- elif column.kind == 'wall_clock' -%}
        {{ return(try_wall_clock(text)) }}
    {%- endif -%}
    {{ return(text or trimmed(column_name(column.source))) }}
{%- endmacro %}
