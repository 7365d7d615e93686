{# For a table with the periods of a lookup (lookup_periods). The temporary relation has all periods of the keys in changed_keys: of
   rows that came or went. They replace those that are there. For each range of days of a key that had other values, or none, the
   files of the lines that read it are recorded as touched, and models that follow files build them again. The end of a period is
   no value: a new period touches no line before it. #}
{% macro get_incremental_by_lookup_key_sql(arg_dict) -%}
    {%- set window = model.build_window -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    {%- set target, came = arg_dict['target_relation'], arg_dict['temp_relation'] -%}
    {%- set staging_model = looked_up_model() -%}
    {%- set lookup = required_lookup(staging_model) -%}
    {%- set key = column_list(lookup.key) -%}
    {%- set first_day = "coalesce(valid_from_date, cast('-infinity' as date))" -%}
    analyze {{ came }};
    create temporary table gone_periods on commit drop as
    select * from {{ target }} where ({{ key }}) in (select {{ columns_in('changed_keys', lookup.key) }} from changed_keys);
    create temporary table changed_ranges on commit drop as
    select {{ columns_in('ranges', lookup.key) }}, ranges.first_date, ranges.end_date
    from (
        select *, lead(first_date) over (partition by {{ key }} order by first_date) as end_date
        from (
            select {{ key }}, {{ first_day }} as first_date from gone_periods
            union
            select {{ key }}, {{ first_day }} from {{ came }}
        ) as first_dates
    ) as ranges
    {%- for alias, periods in [('gone', 'gone_periods'), ('came', came)] %}
    left join {{ periods }} as {{ alias }}
        on
            {%- for name in lookup.key %}
            {{ alias }}.{{ column_name(name) }} = ranges.{{ column_name(name) }} and
            {%- endfor %}
            coalesce({{ alias }}.valid_from_date, cast('-infinity' as date)) <= ranges.first_date
            and ({{ alias }}.valid_to_date is null or {{ alias }}.valid_to_date > ranges.first_date)
    {%- endfor %}
    where (gone._file_id is null) <> (came._file_id is null)
        {%- for name in lookup.value_columns %}
        or gone.{{ column_name(name) }} is distinct from came.{{ column_name(name) }}
        {%- endfor %};
    analyze changed_ranges;
    {%- for lines in lines_of_changed_ranges(staging_model, lookup) %}
    insert into {{ build_state('touched_files') }} (relation_name, event_id, file_id)
    select distinct '{{ model.relation_name }}', {{ window.event_id }}, lines._file_id
    {{ lines }}
    on conflict do nothing;
    {%- endfor %}
    delete from {{ target }}
    where ({{ key }}) in (select {{ columns_in('changed_keys', lookup.key) }} from changed_keys);
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ came }};
    drop table changed_keys, gone_periods, changed_ranges
{%- endmacro %}

{# The staging model of the lookup whose periods this model has. #}
{% macro looked_up_model() -%}
    {%- for unique_id in model.depends_on.nodes if is_typed(graph.nodes.get(unique_id) or {}) -%}
        {{ return(graph.nodes[unique_id].name | replace('_typed', '')) }}
    {%- endfor -%}
{%- endmacro %}

{# From where the lines come that read a changed range, for each place where a model looks it up. A relation that is not there yet
   has no lines in any mart. #}
{% macro lines_of_changed_ranges(staging_model, lookup) -%}
    {%- set found = [] -%}
    {%- for reader in lookup_readers() -%}
        {%- set names = [reader.lines] -%}
        {%- for entry in reader.lookups -%}
            {%- do names.append(periods_model(entry.lookup)) -%}
        {%- endfor -%}
        {%- set relations = [] -%}
        {%- for name in names -%}
            {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ name] -%}
            {%- set relation = read_relation(node) -%}
            {%- do relations.append(relation) if run_query("select to_regclass('" ~ relation ~ "')").rows[0][0] -%}
        {%- endfor -%}
        {%- set before = [] -%}
        {%- for entry in (reader.lookups if relations | length == names | length else []) -%}
            {%- if entry.lookup == staging_model -%}
                {%- set aliases = before | map(attribute='alias') | list -%}
                {%- set date = lookup_operand(entry.date, aliases) if lookup.valid_from -%}
                {%- set lines -%}
    from {{ relations[0] }} as lines
    {{ join_lookups(before | map(attribute='entry') | list, relations[1:]) }}
    inner join changed_ranges
        on {{ equal_lookup_key('changed_ranges', entry, aliases) }}
        {%- if lookup.valid_from %}
            and {{ date }} >= changed_ranges.first_date
            and (changed_ranges.end_date is null or {{ date }} < changed_ranges.end_date)
        {%- endif %}
    where lines.row_status = 'accepted'
                {%- endset -%}
                {%- do found.append(lines) -%}
            {%- endif -%}
            {%- do before.append({'entry': entry, 'alias': lookup_alias(entry)}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}
