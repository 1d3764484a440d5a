-- What real databases have and nobody planned: backup copies without a key, huge rows, odd values.

-- Somebody's copy before an upgrade: no primary key, and some rows twice.
CREATE TABLE procedurelog_backup_20240115 AS
SELECT * FROM procedurelog WHERE ProcDate BETWEEN '2023-12-01' AND '2024-01-15' OR ProcNum <= 20
       ORDER BY ProcNum;
INSERT INTO procedurelog_backup_20240115 SELECT * FROM procedurelog WHERE ProcNum <= 5
  ORDER BY ProcNum;

CREATE TABLE documentmisc (
  DocMiscNum  bigint(20) NOT NULL AUTO_INCREMENT,
  DateCreated date NOT NULL DEFAULT '0001-01-01',
  FileName    varchar(255) NOT NULL,
  DocMiscType tinyint(4) NOT NULL,
  RawBase64   longtext NOT NULL COMMENT 'A file as base64, megabytes of it',
  PRIMARY KEY (DocMiscNum)
) DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_general_ci
  COMMENT='Files kept in the database; a few very large rows';
INSERT INTO documentmisc (DocMiscNum, DateCreated, FileName, DocMiscType, RawBase64)
SELECT seq, @today - INTERVAL 10 * seq DAY, CONCAT('UpdateFiles_', seq, '.zip'), seq % 2,
       IF(seq > 3, TO_BASE64(SHA2(CONCAT(@seed, seq), 512)),
          REPEAT(TO_BASE64(SHA2(CONCAT(@seed, seq), 512)), seq * 12000))
  FROM seq_1_to_8;

-- Numbers that a careless copy rounds or refuses.
UPDATE insplan SET PerVisitInsAmount = CASE PlanNum WHEN 1 THEN 1e308 WHEN 2
  THEN 2.2250738585072014e-308
    WHEN 3 THEN 0.1 + 0.2 WHEN 4 THEN 123456789.123456789 WHEN 5 THEN -0.0 ELSE 1e-7 END,
      SecDateTEdit = SecDateTEdit
 WHERE PlanNum <= 6;
UPDATE document SET DegreesRotated = CASE DocNum WHEN 1 THEN 16777216 WHEN 2 THEN 3.4e38 WHEN 3
  THEN 1.1754944e-38
    ELSE -0.1 END, DateTStamp = DateTStamp WHERE DocNum <= 4;
UPDATE commlog SET ProgramNum = 9007199254740993, DateTStamp = DateTStamp WHERE CommlogNum = 1;
UPDATE entrylog SET FKey = -9223372036854775807 WHERE EntryLogNum = 1;

-- Texts that look like something else.
UPDATE commlog SET Note = ELT(CommlogNum, '\\N', 'NULL', '\\.', 'a\\', '"', '''', '\t', '\r\n', ' ',
                              '{"a": "\\u00e9"}',
                              '=1+1', 'end\\\nnext', '2024-02-30', '--', '%s %d',
                              CHAR(1, 8, 12, 27 USING utf8mb3)),
                   DateTStamp = DateTStamp WHERE CommlogNum <= 16;

DROP TEMPORARY TABLE visit;
DROP TEMPORARY TABLE menu;
DROP TEMPORARY TABLE person;
DROP TEMPORARY TABLE codelist;
