-- nothing is lost with a hint: it need not wait for the disk with the lock of NOTIFY
select set_config('synchronous_commit', 'off', true),
  singularity_workflow.send_hints(%(key)s::bigint, %(ended)s::uuid[], %(events)s::bigint[]);
