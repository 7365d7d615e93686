{# Cases of the macros that read dates and times. #}
{% macro date_cases() -%}
    {{ return([
        {
            'call': 'try_date()', 'sql': try_date('given'), 'refuses_all_else': true,
            'cases': [
                ('2024-02-29', '2024-02-29'), ('2023-02-29', none), ('1900-02-29', none), ('2000-02-29', '2000-02-29'),
                ('2024', none), ('2024-13-01', none), ('2024-00-01', none), ('2024-01-00', none), ('2024-04-31', none), ('0001-01-01', '0001-01-01'),
                ('0000-01-01', none), ('9999-12-31', '9999-12-31'), ('05-01-2024', none), ('20240105', none), (' 2024-01-5', none),
                ('2024-Jan-1', none), ('2024/01/05', none), ('-024-01-05', none), ('2024-+1-05', none),
            ],
        },
        {
            'call': "try_date('DD/MM/YYYY')", 'sql': try_date('given', 'DD/MM/YYYY'), 'refuses_all_else': true,
            'cases': [
                ('05/01/2024', '2024-01-05'), ('29/02/2024', '2024-02-29'), ('29/02/2023', none), ('31/12/2024', '2024-12-31'),
                ('12/31/2024', none), ('5/1/2024', none), ('05-01-2024', none), ('05/01/24', none), ('05/01/2024 ', none),
                ('05/01/0000', none), ('00/01/2024', none), ('2024/01/05', none), ('05/01/-024', none), ('+5/01/2024', none),
                ('05/01/ 024', none), ('05/Ja/2024', none), ('١٥/01/2024', none),
            ],
        },
        {
            'call': "try_date('MM/DD/YYYY')", 'sql': try_date('given', 'MM/DD/YYYY'), 'refuses_all_else': true,
            'cases': [('01/05/2024', '2024-01-05'), ('12/31/2024', '2024-12-31'), ('31/12/2024', none), ('02/30/2024', none)],
        },
        {
            'call': "try_date('DD.MM.YYYY')", 'sql': try_date('given', 'DD.MM.YYYY'), 'refuses_all_else': true,
            'cases': [('05.01.2024', '2024-01-05'), ('31.12.2024', '2024-12-31'), ('31.04.2024', none), ('05/01/2024', none)],
        },
        {
            'call': "try_date('DD-Mon-YYYY')", 'sql': try_date('given', 'DD-Mon-YYYY'), 'refuses_all_else': true,
            'cases': [
                ('01-Dec-2011', '2011-12-01'), ('29-Feb-2012', '2012-02-29'), ('29-Feb-2011', none), ('01-May-2011', '2011-05-01'),
                ('01-DEC-2011', none), ('01-dec-2011', none), ('01-Dez-2011', none), ('01-12 -2011', none), ('1-Dec-2011', none),
                ('01-Dec-11', none), ('01-BC -2011', none), ('01-Sep-2011', '2011-09-01'), ('01-ſep-2011', none), ('01-Jan-2011', '2011-01-01'),
            ],
        },
        {
            'call': "try_date('DD-Mon-YYYY') of capitalised", 'sql': try_date(capitalised('given'), 'DD-Mon-YYYY'),
            'cases': [('01-DEC-2011', '2011-12-01'), ('01-dec-2011', '2011-12-01'), ('01-Dec-2011', '2011-12-01')],
        },
        {
            'call': "try_date('YYYYMMDD')", 'sql': try_date('given', 'YYYYMMDD'), 'refuses_all_else': true,
            'cases': [
                ('20240105', '2024-01-05'), ('20240229', '2024-02-29'), ('20230229', none), ('20241301', none), ('2024010', none),
                ('202401055', none), ('2024-1-5', none), ('+2024105', none), ('00000000', none), ('99991231', '9999-12-31'),
            ],
        },
        {
            'call': "try_date('DD/MM/YY')", 'sql': try_date('given', 'DD/MM/YY'), 'refuses_all_else': true,
            'cases': [
                ('05/01/24', '2024-01-05'), ('05/01/69', '2069-01-05'), ('05/01/70', '1970-01-05'), ('05/01/99', '1999-01-05'),
                ('05/01/00', '2000-01-05'), ('29/02/00', '2000-02-29'), ('29/02/99', none), ('05/01/2024', none), ('05/01/-1', none),
                ('05/01/2 ', none), ('05/01/2x', none),
            ],
        },
        {
            'call': "try_timestamp()", 'sql': try_timestamp('given'), 'refuses_all_else': true,
            'cases': [
                ('2024-01-05 09:30:00', '2024-01-05 09:30:00'), ('2024-01-05 23:59:59', '2024-01-05 23:59:59'),
                ('2024-01-05 24:00:00', none), ('2024-01-05 23:59:60', none), ('2024-01-05 09:60:00', none),
                ('2024-02-30 09:30:00', none), ('2024-01-05 09:30', none), ('2024-01-05T09:30:00', none), ('2024-01-05', none),
            ],
        },
        {
            'call': "try_timestamp('MM/DD/YY HH24:MI')", 'sql': try_timestamp('given', 'MM/DD/YY HH24:MI'), 'refuses_all_else': true,
            'cases': [
                ('04/19/19 08:46', '2019-04-19 08:46:00'), ('04/19/19 00:00', '2019-04-19 00:00:00'), ('19/04/19 08:46', none),
                ('04/19/19 24:00', none), ('04/19/19 08:60', none), ('4/19/19 8:46', none), ('04/19/2019 08:46', none),
                ('12/31/69 23:59', '2069-12-31 23:59:00'), ('01/01/70 00:00', '1970-01-01 00:00:00'), ('04/19/19 -8:46', none),
            ],
        },
        {
            'call': "try_timestamp('DD-Mon-YYYY HH24:MI:SS')", 'refuses_all_else': true,
            'sql': try_timestamp('given', 'DD-Mon-YYYY HH24:MI:SS'),
            'cases': [('01-Dec-2011 23:59:59', '2011-12-01 23:59:59'), ('01-Dec-2011 23:59', none), ('01-Dec-2011', none)],
        },
        {
            'call': "try_timestamp('YYYYMMDDHH24MI')", 'sql': try_timestamp('given', 'YYYYMMDDHH24MI'), 'refuses_all_else': true,
            'cases': [('202401050930', '2024-01-05 09:30:00'), ('202401052400', none), ('202401050960', none)],
        },
        {
            'call': "try_date('D/M/YYYY')", 'sql': try_date('given', 'D/M/YYYY'), 'refuses_all_else': true,
            'cases': [
                ('5/1/2024', '2024-01-05'), ('05/01/2024', '2024-01-05'), ('29/2/2024', '2024-02-29'), ('29/2/2023', none),
                ('31/12/2024', '2024-12-31'), ('12/31/2024', none), ('0/1/2024', none), ('5/0/2024', none), ('005/1/2024', none),
                ('5/1/24', none), ('5-1-2024', none), ('5/1/2024 ', none), ('5/1/0000', none), ('+5/1/2024', none), ('١/1/2024', none),
                ('5//1/2024', none), ('5/1/20241', none),
            ],
        },
        {
            'call': "try_date('D-Mon-YY')", 'sql': try_date('given', 'D-Mon-YY'), 'refuses_all_else': true,
            'cases': [
                ('1-Dec-11', '2011-12-01'), ('31-Jan-70', '1970-01-31'), ('31-Feb-70', none), ('1-DEC-11', none), ('1-Dez-11', none),
                ('1-December-11', none), ('1-Dec-2011', none), ('1-Dec--1', none), ('1--11', none),
            ],
        },
        {
            'call': "try_date('Month D, YYYY')", 'sql': try_date('given', 'Month D, YYYY'), 'refuses_all_else': true,
            'cases': [
                ('December 5, 2011', '2011-12-05'), ('May 31, 2011', '2011-05-31'), ('June 31, 2011', none), ('Dec 5, 2011', none),
                ('December 5 2011', none), ('December 5,2011', none), ('December  5, 2011', none),
            ],
        },
        {
            'call': "try_date('D. Month YYYY', months)", 'refuses_all_else': true,
            'sql': try_date('given', 'D. Month YYYY', [
                'Januar', 'Februar', 'März', 'April', 'Mai', 'Juni', 'Juli', 'August', 'September', 'Oktober', 'November', 'Dezember',
            ]),
            'cases': [('5. März 2024', '2024-03-05'), ('31. Dezember 2024', '2024-12-31'), ('5. March 2024', none), ('31. April 2024', none)],
        },
        {
            'call': "try_date('DD-M/YYYY')", 'sql': try_date('given', 'DD-M/YYYY'), 'refuses_all_else': true,
            'cases': [('05-1/2024', '2024-01-05'), ('5-1/2024', none), ('05/1/2024', none), ('05-1-2024', none)],
        },
        {
            'call': "try_date(['D/M/YYYY', 'M/D/YYYY', 'YYYY-MM-DD'])", 'refuses_all_else': true,
            'sql': try_date('given', ['D/M/YYYY', 'M/D/YYYY', 'YYYY-MM-DD']),
            'cases': [
                ('13/1/2024', '2024-01-13'), ('1/13/2024', '2024-01-13'), ('5/1/2024', none), ('5/5/2024', '2024-05-05'),
                ('2024-01-05', '2024-01-05'), ('13/13/2024', none),
            ],
        },
        {
            'call': 'is_ambiguous()', 'sql': is_ambiguous('given', ['D/M/YYYY', 'M/D/YYYY', 'YYYY-MM-DD']),
            'cases': [
                ('5/1/2024', 'true'), ('5/5/2024', 'false'), ('13/1/2024', 'false'), ('2024-01-05', 'false'), ('x', 'false'), (none, 'false'),
            ],
        },
        {
            'call': "try_timestamp('M/D/YYYY H24:MI')", 'sql': try_timestamp('given', 'M/D/YYYY H24:MI'), 'refuses_all_else': true,
            'cases': [
                ('12/1/2011 8:12', '2011-12-01 08:12:00'), ('12/01/2011 08:12', '2011-12-01 08:12:00'), ('12/1/2011 0:00', '2011-12-01 00:00:00'),
                ('12/1/2011 24:00', none), ('12/1/2011 8:60', none), ('12/1/2011 8:1', none), ('13/1/2011 8:12', none), ('12/1/2011', none),
                ('12/1/2011 8:12:00', none), ('12/1/2011  8:12', none),
            ],
        },
        {
            'call': "try_timestamp('M/D/YYYY H12:MI:SS AM')", 'sql': try_timestamp('given', 'M/D/YYYY H12:MI:SS AM'), 'refuses_all_else': true,
            'cases': [
                ('1/5/2024 12:00:00 AM', '2024-01-05 00:00:00'), ('1/5/2024 12:30:00 PM', '2024-01-05 12:30:00'),
                ('1/5/2024 1:05:09 pm', '2024-01-05 13:05:09'), ('1/5/2024 11:59:59 PM', '2024-01-05 23:59:59'),
                ('1/5/2024 0:30:00 AM', none), ('1/5/2024 13:00:00 PM', none), ('1/5/2024 1:05:09', none), ('1/5/2024 1:05:09 Pm', none),
            ],
        },
        {
            'call': "try_timestamp('YYYYMMDD H12:MIAM')", 'sql': try_timestamp('given', 'YYYYMMDD H12:MIAM'), 'refuses_all_else': true,
            'cases': [
                ('20240105 8:05PM', '2024-01-05 20:05:00'), ('20240105 08:05am', '2024-01-05 08:05:00'), ('20240230 8:05PM', none),
                ('2024015 8:05PM', none), ('20240105 8:05', none),
            ],
        },
        {
            'call': "try_timestamp('DD.MM.YYYY HH24:MI:SS,FF')", 'refuses_all_else': true,
            'sql': try_timestamp('given', 'DD.MM.YYYY HH24:MI:SS,FF'),
            'cases': [
                ('05.01.2024 09:30:00,5', '2024-01-05 09:30:00.5'), ('05.01.2024 09:30:59,999999', '2024-01-05 09:30:59.999999'),
                ('05.01.2024 09:30:59,9999999', none), ('05.01.2024 09:30:59', none), ('05.01.2024 09:30:59.5', none),
            ],
        },
        {
            'call': "try_timestamp('ISO')", 'sql': try_timestamp('given', 'ISO'),
            'cases': [
                (none, none), ('', none), ('2024-01-05T09:30:00', '2024-01-05 09:30:00'), ('2024-01-05 09:30', '2024-01-05 09:30:00'),
                ('2024-01-05T09:30:00Z', '2024-01-05 09:30:00'), ('2024-01-05T09:30:00.250+01:00', '2024-01-05 09:30:00.25'),
                ('2024-01-05 09:30:00.123456 +0530', '2024-01-05 09:30:00.123456'), ('2024-01-05T09:30-05', '2024-01-05 09:30:00'),
                ('2024-01-05T24:00:00', none), ('2024-01-05T23:59:60Z', none), ('2024-02-30T09:30:00Z', none), ('2024-01-05', none),
                ('2024-01-05T09:30:00z', none), ('2024-01-05T09:30:00+24:00', none), ('2024-01-05T09:30:00.', none),
                ('2024-01-05T09:30:00.1234567', none), ('2024-01-05  09:30:00', none), ('2024-01-05T09:30:00 +01:00 ', none),
            ],
        },
        {
            'call': 'try_wall_clock()', 'sql': try_wall_clock('given'), 'refuses_all_else': true,
            'cases': [
                ('2024-01-02T09:15:30.250+01:00', '2024-01-02 09:15:30.25'), ('2024-01-02T09:15:30Z', '2024-01-02 09:15:30'),
                ('2024-01-05T00:00:00Z', '2024-01-05 00:00:00'),
                ('2024-01-02T09:15:30-05:30', '2024-01-02 09:15:30'), ('2024-02-29T00:00:00.123456+00:00', '2024-02-29 00:00:00.123456'),
                ('2024-02-30T09:15:30+01:00', none), ('2024-01-02T24:00:00Z', none), ('2024-01-02T23:59:60Z', none),
                ('2024-01-02T09:15:30', none), ('2024-01-02 09:15:30+01:00', none), ('2024-01-02T09:15:30+24:00', none),
                ('2024-01-02T09:15:30+0100', none), ('2024-01-02T09:15Z', none), ('2024-01-02T09:15:30.1234567Z', none),
                ('2024-01-02T09:15:30z', none), ('2024-01-02', none),
            ],
        },
        {
            'call': 'try_excel_date()', 'sql': try_excel_date('given'),
            'cases': [
                (none, none), ('', none), ('0', none), ('1', '1900-01-01'), ('59', '1900-02-28'), ('60', none), ('61', '1900-03-01'),
                ('43831', '2020-01-01'), ('45351', '2024-02-29'), ('2958465', '9999-12-31'), ('2958466', none), ('-1', none),
                ('+43831', none), ('43831.5', none), ('43831.0', none), ('9999999', none), ('99999999', none), ('1e4', none),
                ('4_3831', none), ('١٢', none), (' 43831', none), ('2020-01-01', none), ('0043831', '2020-01-01'), ('9' * 400, none),
            ],
        },
        {
            'call': 'try_excel_timestamp()', 'sql': try_excel_timestamp('given'),
            'cases': [
                (none, none), ('', none), ('0', none), ('0.5', none), ('1', '1900-01-01 00:00:00'), ('59.5', '1900-02-28 12:00:00'),
                ('59.9999884259259', '1900-02-28 23:59:59'), ('59.999999999', none), ('60', none), ('60.5', none), ('61.25', '1900-03-01 06:00:00'),
                ('43831', '2020-01-01 00:00:00'), ('43831.5', '2020-01-01 12:00:00'), ('43831.3541666667', '2020-01-01 08:30:00'),
                ('43831.354166666664', '2020-01-01 08:30:00'), ('43831.3542', none), ('43831.000005', none),
                ('43830.9999999999', '2020-01-01 00:00:00'), ('2958465.99998843', '9999-12-31 23:59:59'),
                ('2958465.999999999', none), ('2958466', none), ('-1', none), ('NaN', none), ('1e4', none), ('43831,5', none), ('9' * 400, none),
            ],
        },
        {
            'call': "date_part_number('iso_day_of_week')", 'sql': date_part_number('iso_day_of_week', 'cast(given as date)'),
            'cases': [('2024-01-01', '1'), ('2024-01-06', '6'), ('2024-01-07', '7'), (none, none)],
        },
        {
            'call': "date_part_number('iso_week')", 'sql': date_part_number('iso_week', 'cast(given as date)'),
            'cases': [('2021-01-01', '53'), ('2020-12-28', '53'), ('2024-12-30', '1'), ('2024-01-01', '1')],
        },
        {
            'call': "date_part_number('iso_year')", 'sql': date_part_number('iso_year', 'cast(given as date)'),
            'cases': [('2021-01-01', '2020'), ('2024-12-30', '2025'), ('2024-07-01', '2024')],
        },
        {
            'call': 'is_outside_calendar()', 'sql': is_outside_calendar('cast(given as date)'),
            'cases': [
                (var('calendar_start'), 'false'), (var('calendar_end'), 'false'), ('0001-01-01', 'true'), ('9999-12-31', 'true'), (none, none),
            ],
        },
    ]) }}
{%- endmacro %}
