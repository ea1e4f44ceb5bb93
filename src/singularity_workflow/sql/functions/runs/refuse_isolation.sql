-- singularity_workflow.refuse_isolation: say why a transaction cannot be used.
--
-- Called by  every function that locks and then decides, above READ COMMITTED
-- Locks      none
-- Errors     SW410, always
--
-- The engine takes a lock in one statement and reads what it protects in the next:
-- under a transaction-wide snapshot the second would read what was, not what is.
create or replace function singularity_workflow.refuse_isolation()
returns void
language plpgsql
stable
set search_path = ''
as $function$
begin
  raise exception using
    errcode = 'SW410',
    message = format('workflow functions need READ COMMITTED, this transaction is %s',
                     upper(current_setting('transaction_isolation'))),
    hint = 'Begin the transaction with ISOLATION LEVEL READ COMMITTED.';
end;
$function$;

comment on function singularity_workflow.refuse_isolation() is
  'Raise SW410: the transaction is not READ COMMITTED.';
