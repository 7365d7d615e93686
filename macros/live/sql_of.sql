{# The SQL of another model, so that its rules are written once. `instead` gives, for models that it reads, the SQL to read in
   their place. dbt finds no dependency in it: name what is read in a comment, `-- depends_on: {{ ref('…') }}`. #}
{% macro sql_of(model_name, instead={}) -%}
    {%- if not execute -%}
        {{ return('select 1 as nothing') }}
    {%- endif -%}
    {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ model_name] -%}
    {%- set code = namespace(text=node.raw_code) -%}
    {%- for name, relation in instead.items() -%}
        {%- set read = "{{ ref('" ~ name ~ "') }}" -%}
        {%- if read not in code.text -%}
            {{ exceptions.raise_compiler_error(
                'The models of `live` read another relation in place of ' ~ name ~ ', and do not find ' ~ read ~ ' in '
                ~ node.original_file_path ~ '. Write it so, or name in models/live what the model reads now.'
            ) }}
        {%- endif -%}
        {%- set code.text = code.text | replace(read, relation) -%}
    {%- endfor -%}
    {#- the whole of it, not what is due in this build -#}
    {%- set window = model.build_window -%}
    {%- do model.update({'build_window': none}) -%}
    {%- set sql = render(code.text) -%}
    {%- do model.update({'build_window': window}) -%}
    {{ return(sql) }}
{%- endmacro %}

{# The columns of a model as its contract lists them. #}
{% macro columns_of(model_name) -%}
    {{ return(
        graph.nodes['model.' ~ project_name ~ '.' ~ model_name].columns.keys() | list if execute else ['nothing']
    ) }}
{%- endmacro %}
