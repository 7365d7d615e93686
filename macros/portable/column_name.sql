{# The name of a column as SQL. It is in quotes where the bare name would be an error or would mean something else:
   `order` ends the select list, and `user` is the login. A name that is in quotes already is the same name, and an expression stays as it is. #}
{% macro column_name(name) -%}
    {%- set bare = bare_name(name) -%}
    {%- if bare == name and not modules.re.fullmatch('[^ !-/:-@[-^`{-~]+', name) -%}
        {{ return(name) }}
    {%- endif -%}
    {%- set is_plain = modules.re.fullmatch('[a-z_][a-z0-9_]*', bare) and bare not in reserved_words() -%}
    {{ return(bare if is_plain else adapter.quote(bare)) }}
{%- endmacro %}

{# The names of columns as a list in SQL. #}
{% macro column_list(columns) -%}
    {%- set names = [] -%}
    {%- for column in columns -%}
        {%- do names.append(column_name(column)) -%}
    {%- endfor -%}
    {{ return(names | join(', ')) }}
{%- endmacro %}

{# The name without the quotes of an engine. #}
{% macro bare_name(name) -%}
    {%- set is_quoted = name | length > 2 and name[0] == name[-1] and name[0] in '"`' -%}
    {{ return(name[1:-1] if is_quoted else name) }}
{%- endmacro %}

{# An argument that is SQL: as it is, but a column whose bare name is a reserved word is in quotes. The words that are
   values, such as null and current_date, keep their meaning. #}
{% macro operand(expression) -%}
    {%- set values = [
        'null', 'true', 'false', 'default', 'current_catalog', 'current_date', 'current_role', 'current_schema',
        'current_time', 'current_timestamp', 'current_user', 'localtime', 'localtimestamp', 'session_user', 'system_user',
    ] -%}
    {%- if expression in reserved_words() and expression not in values -%}
        {{ return(adapter.quote(expression)) }}
    {%- endif -%}
    {{ return(expression) }}
{%- endmacro %}

{# The words that PostgreSQL does not take as the name of a column without quotes. #}
{% macro reserved_words() -%}
    {{ return([
        'all', 'analyse', 'analyze', 'and', 'any', 'array', 'as', 'asc', 'asymmetric', 'authorization', 'binary', 'both',
        'case', 'cast', 'check', 'collate', 'collation', 'column', 'concurrently', 'constraint', 'create', 'cross',
        'current_catalog', 'current_date', 'current_role', 'current_schema', 'current_time', 'current_timestamp',
        'current_user', 'default', 'deferrable', 'desc', 'distinct', 'do', 'else', 'end', 'except', 'false', 'fetch',
        'for', 'foreign', 'freeze', 'from', 'full', 'grant', 'group', 'having', 'ilike', 'in', 'initially', 'inner',
        'intersect', 'into', 'is', 'isnull', 'join', 'lateral', 'leading', 'left', 'like', 'limit', 'localtime',
        'localtimestamp', 'natural', 'not', 'notnull', 'null', 'offset', 'on', 'only', 'or', 'order', 'outer', 'overlaps',
        'placing', 'primary', 'references', 'returning', 'right', 'select', 'session_user', 'similar', 'some',
        'symmetric', 'system_user', 'table', 'tablesample', 'then', 'to', 'trailing', 'true', 'union', 'unique', 'user',
        'using', 'variadic', 'verbose', 'when', 'where', 'window', 'with',
    ]) }}
{%- endmacro %}
