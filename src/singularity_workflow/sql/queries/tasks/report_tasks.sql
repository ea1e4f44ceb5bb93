select singularity_workflow.report_tasks(
  %(worker_id)s::uuid, %(batch)s::json, %(slots)s::integer, %(queues)s::text[], %(claim)s::boolean, %(low)s::bigint, %(max_key)s::bigint, %(wanted)s::uuid[],
  %(known_maps)s::singularity_workflow.step_key[], %(wait)s::boolean, %(lost)s::boolean);
