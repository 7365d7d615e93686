{# Query with the period that each file in the ledger is about: file_id, period_start_date, period_end_date. The groups
   of the delivery key tell it: business_date (YYYY-MM-DD or YYYYMMDD), or year, month and day, are a day; year and month
   are a month. Both dates are NULL for any other key, and where the parts make no real day. A month is a number or its
   English name. Read from the key in the ledger, not from the declaration: an old file keeps its period. #}
{% macro delivery_periods() -%}
    select
        file_id,
        period_start_date,
        case
            when is_day then period_start_date
            else {{ month_end('period_start_date') }}
        end as period_end_date
    from (
        select
            file_id,
            is_day,
            {{ try_date('period_text') }} as period_start_date
        from (
            select
                file_id,
                business_date_text <> '' or day_text <> '' as is_day,
                case
                    when {{ matches('business_date_text', '^[0-9]{8}$') }}
                        then
                            substring(business_date_text, 1, 4) || '-' || substring(business_date_text, 5, 2)
                            || '-' || substring(business_date_text, 7, 2)
                    when business_date_text <> '' then business_date_text
                    else
                        year_text
                        || '-'
                        || case
                            {%- for name in ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august',
                                'september', 'october', 'november', 'december'] %}
                            when lower(month_text) in ('{{ name }}', '{{ name[:3] }}') then '{{ '%02d' % loop.index }}' {# portable: names of months are ASCII #}
                            {%- endfor %}
                            when month_text like '_' then '0' || month_text
                            else month_text
                        end
                        || '-'
                        || case
                            when day_text = '' then '01'
                            when day_text like '_' then '0' || day_text
                            else day_text
                        end
                end as period_text
            from (
                select
                    file_id,
                    {%- for group in ['business_date', 'year', 'month', 'day'] %}
                    split_part(split_part(' ' || delivery_key, ' {{ group }}=', 2), ' ', 1) as {{ group }}_text
                    {{- ',' if not loop.last }}
                    {%- endfor %}
                from {{ source('ledger', 'files') }}
            ) as keyed_files
        ) as described_files
    ) as dated_files
{%- endmacro %}
