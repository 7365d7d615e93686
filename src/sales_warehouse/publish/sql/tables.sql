-- Tables of the publications; docs/explanation/publishing.md describes how they are used. Every statement of these
-- scripts may run again on a database that has the publications already.

-- Readers need rights on `published` and `published_as_of` only: the views there read `published_history` with the rights
-- of their owner.
create schema if not exists published;
create schema if not exists published_as_of;
create schema if not exists published_history;

-- Builds that were complete and without errors. The marts of such a build may be published until another build changes them.
create table if not exists ledger.green_builds (
    invocation_id text primary key,
    ended_at timestamptz not null default clock_timestamp(),
    upper_event_id bigint not null,
    -- names of the tables in which dbt keeps its build state
    watermarks text not null,
    touched_dates text not null,
    -- one object per mart, as macros/publish/public_marts.sql writes it
    marts jsonb not null
);
-- the digest of the code of each model and seed; NULL for builds of earlier versions
alter table ledger.green_builds add column if not exists code jsonb;
-- a table of the build state as those above; NULL for builds of earlier versions
alter table ledger.green_builds add column if not exists touched_files text;

create table if not exists ledger.publications (
    publication bigint primary key check (publication >= 1),
    published_at timestamptz not null,
    published_by text not null,
    upper_event_id bigint not null,
    invocation_id text not null unique,
    -- active files up to the upper event
    files bigint not null,
    -- when its rows were deleted from the history; the entry stays
    pruned_at timestamptz
);

-- The version before had another name for the column.
do $$ begin
    if exists (
        select from pg_attribute where attrelid = 'ledger.publications'::regclass and attname = 'folded_at'
    ) then
        alter table ledger.publications rename column folded_at to pruned_at;
    end if;
end $$;

create table if not exists ledger.published_marts (
    publication bigint not null references ledger.publications,
    mart text not null,
    row_count bigint not null check (row_count >= 0),
    rows_added bigint not null check (rows_added >= 0),
    rows_closed bigint not null check (rows_closed >= 0),
    -- sum of each amount and quantity column over all rows and currencies: for comparisons, not for reports
    totals jsonb not null,
    -- rows that were compared with the publication before: nothing, files, dates, everything, first, or view for a mart without
    -- rows of its own
    compared text not null,
    -- of the mart, from dbt's build state
    rebuilt_by text,
    event_id bigint,
    seconds numeric(18, 3) not null,
    primary key (publication, mart)
);

-- Roles that may read the mart: its views follow when one comes or goes.
alter table ledger.published_marts add column if not exists readers text [] not null default '{}';
-- the build that last wrote a row of the mart; NULL for builds of earlier versions
alter table ledger.published_marts add column if not exists written_by text;
-- NULL for a mart that is a view
alter table ledger.published_marts alter column row_count drop not null;

-- The rows of a mart are in two tables: the open table has the rows that readers see, the closed table the rows that ended.
-- So a query of a published view costs what it costs on the mart. When columns or types of the mart change, both tables get
-- a new generation: a table that readers use is never altered.
create table if not exists ledger.history_tables (
    mart text not null,
    generation integer not null check (generation >= 1),
    open_table text not null,
    closed_table text not null,
    -- name and type of each column, in the order of the mart
    columns jsonb not null,
    since_publication bigint not null,
    -- exclusive: the open rows end here. NULL for the generation that is written now
    until_publication bigint,
    -- the publication whose rows the open table has after a rollback; NULL for the latest publication
    holds_publication bigint,
    primary key (mart, generation),
    constraint ends_after_its_beginning check (until_publication > since_publication)
);
-- A mart that is a view has no tables: its generation is a query, a format of format() with the schema of the marts that it reads.
alter table ledger.history_tables add column if not exists query text;
alter table ledger.history_tables alter column open_table drop not null, alter column closed_table drop not null;
do $$ begin
    alter table ledger.history_tables add constraint has_tables_or_a_query
    check (num_nulls(open_table, closed_table) = case when query is null then 0 else 2 end);
exception when duplicate_object then null;
end $$;
create unique index if not exists history_tables_one_written_per_mart
on ledger.history_tables (mart) where until_publication is null;

-- One row: the publication that readers see.
create table if not exists ledger.current_publication (
    is_the_row boolean primary key default true check (is_the_row),
    publication bigint not null references ledger.publications,
    latest_publication bigint not null references ledger.publications
);

create table if not exists ledger.publication_switches (
    switch_id bigint generated always as identity primary key,
    switched_at timestamptz not null default clock_timestamp(),
    switched_by text not null default session_user,
    publication bigint not null references ledger.publications
);

-- A view of readers and its query.
do $$ begin
    if to_regtype('ledger.mart_view') is null then
        create type ledger.mart_view as (name text, body text);
    end if;
end $$;
