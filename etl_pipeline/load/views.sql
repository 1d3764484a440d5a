-- What depends on a table of raw, and all that is needed to create a view again.
-- Each query begins with a line of its name.

-- views: $1 the relation, $2 its columns (NULL for any): views on it, directly or by way of others
WITH RECURSIVE shown (relation, depth) AS (
    SELECT view_rule.ev_class, 1
    FROM pg_depend AS dependency JOIN pg_rewrite AS view_rule ON view_rule.oid = dependency.objid
    WHERE dependency.classid = 'pg_rewrite'::regclass
      AND dependency.refclassid = 'pg_class'::regclass
      AND dependency.refobjid = %(relation)s::oid AND view_rule.ev_class <> dependency.refobjid
      AND (%(columns)s::text[] IS NULL OR dependency.refobjsubid = 0 OR dependency.refobjsubid IN (
          SELECT attnum FROM pg_attribute
          WHERE attrelid = dependency.refobjid AND attname = ANY (%(columns)s::text[])))
    UNION
    SELECT view_rule.ev_class, shown.depth + 1
    FROM shown
    JOIN pg_depend AS dependency ON dependency.refobjid = shown.relation
        AND dependency.refclassid = 'pg_class'::regclass
    JOIN pg_rewrite AS view_rule ON view_rule.oid = dependency.objid
        AND dependency.classid = 'pg_rewrite'::regclass
    WHERE view_rule.ev_class <> dependency.refobjid AND shown.depth < 100
)
SELECT view.oid, namespace.nspname, view.relname, view.relkind::text
FROM (SELECT relation, max(depth) AS depth FROM shown GROUP BY relation) AS deepest
JOIN pg_class AS view ON view.oid = deepest.relation AND view.relkind IN ('v', 'm')
JOIN pg_namespace AS namespace ON namespace.oid = view.relnamespace
ORDER BY deepest.depth, namespace.nspname, view.relname;

-- relation: one relation
SELECT nspname, relname, relkind = 'm', relispopulated,
       CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(relation.oid) END,
       COALESCE(reloptions, '{}'), spcname, pg_get_userbyid(relowner), relacl IS NULL,
       -- From PostgreSQL 16 on, a member may act for a role where it was granted WITH SET.
       pg_has_role(current_user, relowner, CASE
           WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
FROM pg_class AS relation
JOIN pg_namespace ON pg_namespace.oid = relnamespace
LEFT JOIN pg_tablespace ON pg_tablespace.oid = reltablespace
WHERE relation.oid = %(relation)s::oid;

-- columns: its columns, with their comments and, of a view, their defaults
SELECT attname, col_description(attrelid, attnum), pg_get_expr(adbin, adrelid)
FROM pg_attribute
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = %(relation)s::oid AND attnum > 0 AND NOT attisdropped
ORDER BY attnum;

-- grants: on the relation and on its columns
SELECT CASE WHEN grantee = 0 THEN '' ELSE pg_get_userbyid(grantee) END, privilege_type,
       column_name, is_grantable
FROM (
    SELECT relacl AS acl, NULL::name AS column_name, 0 AS place
    FROM pg_class WHERE oid = %(relation)s::oid
    UNION ALL
    SELECT attacl, attname, attnum FROM pg_attribute
    WHERE attrelid = %(relation)s::oid AND attnum > 0 AND NOT attisdropped
) AS access_list, LATERAL aclexplode(acl)
ORDER BY place, 1, 2;

-- given: roles that the owner's default privileges name for new relations of the schema
SELECT DISTINCT CASE WHEN grantee = 0 THEN '' ELSE pg_get_userbyid(grantee) END
FROM pg_class AS relation
JOIN pg_default_acl ON defaclrole = relowner AND defaclobjtype = 'r'
    AND defaclnamespace IN (0, relnamespace)
CROSS JOIN LATERAL aclexplode(defaclacl)
WHERE relation.oid = %(relation)s::oid AND grantee <> relowner
ORDER BY 1;

-- definitions: indexes, statistics, triggers and rules on it
SELECT definition FROM (
    SELECT 1 AS place, indexrelid AS id, pg_get_indexdef(indexrelid) AS definition
    FROM pg_index WHERE indrelid = %(relation)s::oid
    UNION ALL
    SELECT 2, oid, pg_get_statisticsobjdef(oid)
    FROM pg_statistic_ext WHERE stxrelid = %(relation)s::oid
    UNION ALL
    SELECT 3, oid, pg_get_triggerdef(oid)
    FROM pg_trigger WHERE tgrelid = %(relation)s::oid AND NOT tgisinternal
    UNION ALL
    SELECT 4, oid, pg_get_ruledef(oid)
    FROM pg_rewrite WHERE ev_class = %(relation)s::oid AND rulename <> '_RETURN'
) AS objects
ORDER BY place, id;

-- comments: on the relation and on its indexes
SELECT CASE WHEN relkind = 'i' THEN 'INDEX' WHEN relkind = 'm' THEN 'MATERIALIZED VIEW'
       WHEN relkind = 'v' THEN 'VIEW' ELSE 'TABLE' END, nspname, relname, description
FROM pg_description
JOIN pg_class AS relation ON relation.oid = objoid
JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE classoid = 'pg_class'::regclass AND objsubid = 0 AND (relation.oid = %(relation)s::oid
      OR relation.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = %(relation)s::oid))
ORDER BY relkind DESC, relname;

-- others: what else depends on columns of it, in words
SELECT DISTINCT pg_describe_object(classid, objid, objsubid)
FROM pg_depend
LEFT JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
WHERE refclassid = 'pg_class'::regclass AND refobjid = %(relation)s::oid AND deptype = 'n'
  AND (%(columns)s::text[] IS NULL OR attname = ANY (%(columns)s::text[]))
ORDER BY 1;
