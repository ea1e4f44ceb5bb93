-- is it there, as which extension, could it be, and if it came as plain SQL: is it new enough
select
  to_regtype('pgmq.message_record') is not null,
  (select e.extversion from pg_catalog.pg_extension e where e.extname = 'pgmq'),
  (select a.default_version from pg_catalog.pg_available_extensions a where a.name = 'pgmq'),
  (select '1.5' from pg_catalog.pg_attribute t
   where t.attrelid = (select y.typrelid from pg_catalog.pg_type y
                       where y.oid = to_regtype('pgmq.message_record'))
     and t.attname = 'headers');
