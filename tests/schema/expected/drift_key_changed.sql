-- patient: key changed: (PatNum) → (Code, PatNum) (follow)
-- replication
CREATE TABLE `_etl_incoming_patient` (
  `PatNum` bigint(20) NOT NULL COMMENT 'the key',
  `LName` varchar(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL,
  `Note` text CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL,
  `Age` smallint(6) NOT NULL,
  `Fee` double NOT NULL,
  `Code` int(11) NOT NULL,
  PRIMARY KEY (`Code`, `PatNum`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COMMENT='people [made by etl_pipeline]';
ALTER TABLE `_etl_incoming_patient`
  ADD KEY `names` (`LName`(20)),
  ADD KEY `codes` (`Code`);
RENAME TABLE `patient` TO `_etl_replaced_patient`, `_etl_incoming_patient` TO `patient`;
DROP TABLE `_etl_replaced_patient`;
-- raw
ALTER TABLE "raw"."patient" DROP CONSTRAINT "patient_pkey";
ALTER TABLE "raw"."patient" ADD CONSTRAINT "_etl_key_patient" PRIMARY KEY ("Code", "PatNum");
