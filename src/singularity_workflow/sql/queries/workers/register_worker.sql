select singularity_workflow.register_worker(
  %(worker_id)s::uuid, %(host)s::text, %(pid)s::integer, %(version)s::text, %(queues)s::text[],
  %(workflows)s::text[], %(concurrency)s::integer, %(lease)s::interval);
