-- What depends on a table of raw, and all that is to be known to put a view back.
-- Each query begins with a line of its name.

-- views: $1 the relation, $2 its columns (NULL for any): views on it, directly or by way of others
WITH RECURSIVE shown (relation, depth) AS (
    SELECT r.ev_class, 1
    FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = %(relation)s::oid AND r.ev_class <> d.refobjid
      AND (%(columns)s::text[] IS NULL OR d.refobjsubid = 0 OR d.refobjsubid IN (
          SELECT attnum FROM pg_attribute
          WHERE attrelid = d.refobjid AND attname = ANY (%(columns)s::text[])))
    UNION
    SELECT r.ev_class, s.depth + 1
    FROM shown AS s
    JOIN pg_depend AS d ON d.refobjid = s.relation AND d.refclassid = 'pg_class'::regclass
    JOIN pg_rewrite AS r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
    WHERE r.ev_class <> d.refobjid AND s.depth < 100
)
SELECT c.oid, n.nspname, c.relname, c.relkind::text
FROM (SELECT relation, max(depth) AS depth FROM shown GROUP BY relation) AS s
JOIN pg_class AS c ON c.oid = s.relation AND c.relkind IN ('v', 'm')
JOIN pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY s.depth, n.nspname, c.relname;

-- relation: one relation
SELECT n.nspname, c.relname, c.relkind = 'm', c.relispopulated,
       CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
       COALESCE(c.reloptions, '{}'), t.spcname,
       pg_get_userbyid(c.relowner), c.relacl IS NULL,
       -- From PostgreSQL 16 on, a member may act for a role where it was granted WITH SET.
       pg_has_role(current_user, c.relowner, CASE
           WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_tablespace AS t ON t.oid = c.reltablespace
WHERE c.oid = %(relation)s::oid;

-- columns: its columns, with their comments and, of a view, their defaults
SELECT a.attname, col_description(a.attrelid, a.attnum), pg_get_expr(d.adbin, d.adrelid)
FROM pg_attribute AS a
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %(relation)s::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;

-- grants: on the relation and on its columns
SELECT CASE WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee) END, x.privilege_type,
       g.column_name, x.is_grantable
FROM (
    SELECT relacl AS acl, NULL::name AS column_name, 0 AS place
    FROM pg_class WHERE oid = %(relation)s::oid
    UNION ALL
    SELECT attacl, attname, attnum FROM pg_attribute
    WHERE attrelid = %(relation)s::oid AND attnum > 0 AND NOT attisdropped
) AS g, LATERAL aclexplode(g.acl) AS x
ORDER BY g.place, 1, 2;

-- given: roles that the owner's default privileges name for new relations of the schema
SELECT DISTINCT CASE WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee) END
FROM pg_class AS c
JOIN pg_default_acl AS p ON p.defaclrole = c.relowner AND p.defaclobjtype = 'r'
    AND p.defaclnamespace IN (0, c.relnamespace)
CROSS JOIN LATERAL aclexplode(p.defaclacl) AS x
WHERE c.oid = %(relation)s::oid AND x.grantee <> c.relowner
ORDER BY 1;

-- definitions: indexes, statistics, triggers and rules on it
SELECT definition FROM (
    SELECT 1 AS place, i.indexrelid AS id, pg_get_indexdef(i.indexrelid) AS definition
    FROM pg_index AS i WHERE i.indrelid = %(relation)s::oid
    UNION ALL
    SELECT 2, s.oid, pg_get_statisticsobjdef(s.oid)
    FROM pg_statistic_ext AS s WHERE s.stxrelid = %(relation)s::oid
    UNION ALL
    SELECT 3, t.oid, pg_get_triggerdef(t.oid)
    FROM pg_trigger AS t WHERE t.tgrelid = %(relation)s::oid AND NOT t.tgisinternal
    UNION ALL
    SELECT 4, r.oid, pg_get_ruledef(r.oid)
    FROM pg_rewrite AS r WHERE r.ev_class = %(relation)s::oid AND r.rulename <> '_RETURN'
) AS d
ORDER BY place, id;

-- comments: on the relation and on its indexes
SELECT CASE WHEN c.relkind = 'i' THEN 'INDEX' WHEN c.relkind = 'm' THEN 'MATERIALIZED VIEW'
       WHEN c.relkind = 'v' THEN 'VIEW' ELSE 'TABLE' END, n.nspname, c.relname, d.description
FROM pg_description AS d
JOIN pg_class AS c ON c.oid = d.objoid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE d.classoid = 'pg_class'::regclass AND d.objsubid = 0 AND (c.oid = %(relation)s::oid
      OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = %(relation)s::oid))
ORDER BY c.relkind DESC, c.relname;

-- others: what else hangs on columns of it, in words
SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid)
FROM pg_depend AS d
LEFT JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %(relation)s::oid AND d.deptype = 'n'
  AND (%(columns)s::text[] IS NULL OR a.attname = ANY (%(columns)s::text[]))
ORDER BY 1;
