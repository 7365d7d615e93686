{# The feeds of which a file concerns any row of this model, not those alone that a build replaces. Which rows it concerns is
   unknown, so an event of such a feed builds the model from nothing. These are the feeds above relations that it reads beyond

   by file    the files that are due: by a join, a window or an aggregate. The plan says which, because dbt knows what a model
              reads and not how
   otherwise  the dates that a relation records, because it records none, unless its rows decide (look_up_window)

   Not the feed of a typed table, whose rows are its own, and not for periods, whose rows are found by their keys. #}
{% macro feeds_read_whole(parents) -%}
    {%- if not rebuilt_in_part(model) or model.config.incremental_strategy == 'by_lookup_key' -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set declared = feeds() -%}
    {%- set own = declared | selectattr('rows_model', 'equalto', model.unique_id if is_typed(model) else '') | map(attribute='name') | list -%}
    {#- the plan takes time, and most typed tables read nothing else -#}
    {%- if not feeds_above([model.unique_id], declared) | reject('in', own) | list -%}
        {{ return([]) }}
    {%- elif is_by_file(model) -%}
        {{ return(feeds_above(relations_read_whole(parents, declared), declared) | reject('in', own) | list) }}
    {%- endif -%}
    {%- set read_whole = [] -%}
    {%- for parent in parents.followed -%}
        {%- set meta = graph.nodes[parent.unique_id].config.meta -%}
        {%- do read_whole.append(parent.unique_id) if not (
            meta.get('records_dates') or meta.get('date_column') or meta.get('rows_decide')
        ) -%}
    {%- endfor -%}
    {%- set read = parents.code | map(attribute='unique_id') | list -%}
    {{ return(feeds_above(read_whole + declared | map(attribute='staging_model') | select('in', read) | list, declared)) }}
{%- endmacro %}

{# The models and sources of which the plan of this model has a scan without the condition on files, and what lines are looked up
   in that are read so. A scan of the rows of the same file is none, nor one of look_up, which a build of the periods follows. #}
{% macro relations_read_whole(parents, declared) -%}
    {%- set known = {} -%}
    {%- for parent in parents.code + parents.followed if parent.relation_name -%}
        {%- do known.update({parent.relation_name: parent.unique_id}) -%}
    {%- endfor -%}
    {%- for feed in declared -%}
        {%- do known.update({feed.raw_relation: feed.source.unique_id}) -%}
    {%- endfor -%}
    {%- set found = [] -%}
    {%- for node in plan_nodes(plan_of_files([-1, -2])) -%}
        {%- set relation = '"' ~ target.database ~ '"."' ~ node.get('Schema') ~ '"."' ~ node.get('Relation Name') ~ '"' -%}
        {%- set conditions = [node.get('Filter'), node.get('Index Cond'), node.get('Recheck Cond')] | select | join(' ') -%}
        {%- if relation in known and not node['Alias'].startswith('looked_up') and "'{-1,-2}'" not in conditions
            and not modules.re.search('\\b_file_id = (\\S+\\.)?_file_id\\b', conditions) -%}
            {%- do found.append(known[relation]) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for reader in lookup_readers() if 'model.' ~ project_name ~ '.' ~ reader.lines in found -%}
        {%- for entry in reader.lookups -%}
            {%- do found.append('model.' ~ project_name ~ '.' ~ entry.lookup) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{# The plan of this model's SQL for some files, as EXPLAIN gives it. #}
{% macro plan_of_files(files) -%}
    {%- do model.update({'build_window': {'is_whole': false, 'files': files, 'inactive_files': [], 'dates': []}}) -%}
    {%- set sql = render(model.raw_code) -%}
    {%- do model.update({'build_window': none}) -%}
    {{ return(fromjson(run_query('explain (verbose, format json) ' ~ sql).rows[0][0])[0]['Plan']) }}
{%- endmacro %}

{# A node of a plan and those below it. #}
{% macro plan_nodes(plan) -%}
    {%- set found = [plan] -%}
    {%- for node in plan.get('Plans', []) -%}
        {%- do found.extend(plan_nodes(node)) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{# The names of the feeds above these models and sources. #}
{% macro feeds_above(unique_ids, declared) -%}
    {%- set waiting, seen = unique_ids | unique | list, [] -%}
    {# each once #}
    {%- for _ in range(graph.nodes | length + graph.sources | length) if waiting -%}
        {%- set unique_id = waiting.pop() -%}
        {%- do seen.append(unique_id) -%}
        {%- set node = graph.nodes.get(unique_id) -%}
        {%- if node and node.resource_type == 'model' -%}
            {%- set parents = (node.depends_on.nodes + feed_models(node)) | unique | list -%}
            {%- do waiting.extend(parents | reject('in', seen + waiting) | list) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set names = [] -%}
    {%- for feed in declared if feed.source.unique_id in seen -%}
        {%- do names.append(feed.name) -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}
