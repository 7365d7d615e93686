-- Prevents: a code in row_issues that is missing from feed_issues, because no rule has it or its file was left out.
with

codes_in_outcomes as (

    select
        _file_id,
        sum(row_count * (length(row_issues) - length(replace(row_issues, ';', '')) + 1)) as code_count
    from {{ ref('row_outcomes') }}
    where row_issues <> '' and {{ only_rows_of_sample(['_file_id']) }}
    group by _file_id

),

codes_counted as (

    select
        _file_id,
        sum(row_count) as code_count
    from {{ ref('feed_issues') }}
    where outcome <> 'rejected' and {{ only_rows_of_sample(['_file_id']) }}
    group by _file_id

),

final as (

    select
        codes_in_outcomes.code_count as codes_in_outcomes,
        codes_counted.code_count as codes_counted,
        coalesce(codes_in_outcomes._file_id, codes_counted._file_id) as _file_id
    from codes_in_outcomes
    full outer join codes_counted
        on codes_in_outcomes._file_id = codes_counted._file_id
    where codes_in_outcomes.code_count is distinct from codes_counted.code_count

)

select * from final
