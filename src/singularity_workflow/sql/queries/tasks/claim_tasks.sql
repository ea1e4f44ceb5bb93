select singularity_workflow.claim_tasks(
  %(worker_id)s::uuid, %(queues)s::text[], %(n)s::integer, %(low)s::bigint, %(known_maps)s::text[]::singularity_workflow.step_key[],
  %(lost)s::boolean);
