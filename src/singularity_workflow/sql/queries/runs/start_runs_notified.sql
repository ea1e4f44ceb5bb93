-- in the transaction of the caller: workers are told by its commit
select singularity_workflow.start_runs(
  %(requests)s::json, %(owner)s::uuid, 0, p_notify => true);
