-- What the chaos run looks at beside the tables of the library.

create schema chaos;

-- The effects of transactional steps; nothing keeps a second one out.
create table chaos.effects (
  run_id uuid not null,
  step   text not null,
  index  integer not null
);

-- Each recording of a result, and each change of one that was recorded already.
create table chaos.recordings (
  run_id     uuid not null,
  step_no    smallint not null,
  task_index integer not null,
  attempt    integer not null,
  old_status text not null,
  new_status text not null
);

create function chaos.note_recording() returns trigger language plpgsql as $$
begin
  insert into chaos.recordings
  values (new.run_id, new.step_no, new.task_index, new.attempt, old.status, new.status);
  return null;
end;
$$;

create trigger chaos_recording after update on singularity_workflow.tasks
  for each row
  when (new.status = 'completed' or old.status in ('completed', 'failed', 'skipped', 'cancelled'))
  execute function chaos.note_recording();

-- The starts of the server, one row each.
create table chaos.server_starts (started_at timestamptz not null);
