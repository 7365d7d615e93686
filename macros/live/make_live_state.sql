{# Pre-hook of the first model of `live`: what live.fill() has filled. #}
{% macro make_live_state() -%}
    create table if not exists live.state (
        is_the_row boolean primary key default true check (is_the_row),
        fill_number bigint not null,
        -- the latest publication at the last fill; NULL: nothing is filled
        publication bigint,
        -- the last event of the ledger that the fill saw, and the begin of its transaction
        event_id bigint,
        filled_at timestamp with time zone
    );
    insert into live.state (fill_number) values (0) on conflict do nothing;
    -- files with an event after the publication, and open segments
    create table if not exists live.files (
        file_id bigint primary key,
        -- its last event that a fill saw; NULL for an open segment
        event_id bigint,
        is_active boolean not null,
        is_complete boolean not null,
        -- number of the last row in live.lines
        row_number_filled bigint not null
    );
    -- days that are in live.daily; a day that is not touched is there for the number of its customers
    create table if not exists live.days (
        order_date date primary key,
        is_touched boolean not null
    );
    -- orders and customers of these days with their lines, from the publication and from live.lines; the keys begin with what
    -- differs most
    create table if not exists live.orders (
        order_date date,
        source_system text,
        country text,
        currency text,
        order_id text,
        line_count bigint not null,
        primary key (order_id, order_date, source_system, country, currency)
    );
    create table if not exists live.customers (
        order_date date,
        source_system text,
        country text,
        currency text,
        customer_key text,
        line_count bigint not null,
        primary key (customer_key, order_date, source_system, country, currency)
    );
    -- of a version before that counted no lines; the models of `live` were changed since, so the next fill empties both
    alter table live.orders add column if not exists line_count bigint not null default 0;
    alter table live.customers add column if not exists line_count bigint not null default 0
{%- endmacro %}
