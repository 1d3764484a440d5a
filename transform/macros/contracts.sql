{#-
  A contract holds a model to the columns and types of its .yml; `contract` in dbt_project.yml says
  which models have one. dbt asks the server for the columns of each query in a statement of its own;
  here the build looks at what it has just made, in the same statement and transaction, so a model
  that breaks its contract stays as it was. Types are written as format_type writes them.
-#}
{% macro etl_keep_contract(target) %}
    {%- if config.get('contract').enforced %}
    select string_agg(case
               when agreed.name is null then format('%s %s is not in the contract', made.attname, made.type)
               when made.attname is null then format('%s is missing', agreed.name)
               when agreed.type = '' then format('%s has no data_type, it is %s', agreed.name, made.type)
               else format('%s is %s, the contract says %s', agreed.name, made.type, agreed.type) end, '; '
               order by made.attnum, agreed.name)
      into statement
      from (values {% for column in model.columns.values() %}('{{ column.name }}', '{{ column.data_type or '' }}'){{ ', ' if not loop.last }}{% endfor %}) as agreed (name, type)
      full join (select attname, attnum, format_type(atttypid, atttypmod) as type from pg_attribute
                  where attrelid = '{{ target }}'::regclass and attnum > 0 and not attisdropped) as made
        on made.attname = agreed.name
     where agreed.type is distinct from made.type;
    if statement is not null then
        raise exception 'the columns are not those of the contract: %; mend the model, or the columns of % in its .yml',
            statement, '{{ target.identifier }}' using errcode = 'ET004';
    end if;
    {%- endif %}
{% endmacro %}
