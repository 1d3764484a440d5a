CREATE TABLE `_etl_incoming_adjustment` (
  `AdjNum` bigint(20) NOT NULL,
  `AdjDate` date NOT NULL,
  `AdjAmt` double NOT NULL COMMENT 'positive: a charge',
  `Rate` float NULL,
  `AdjNote` text CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci NULL COMMENT 'it\'s free text \\ no limit',
  `Weird ``%"name` varchar(10) CHARACTER SET utf8mb3 COLLATE utf8mb3_general_ci NOT NULL,
  `SecDateTEdit` timestamp NOT NULL DEFAULT '0000-00-00 00:00:00',
  `Units` int(10) unsigned NOT NULL,
  `Length` time NOT NULL,
  `Price` decimal(10,2) NOT NULL,
  `Big` bigint(20) unsigned NOT NULL,
  PRIMARY KEY (`AdjNum`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COMMENT='What was charged or forgiven [made by etl_pipeline]';

ALTER TABLE `_etl_incoming_adjustment`
  ADD KEY `indexPatNum` (`Units`),
  ADD KEY `note` (`AdjNote`(20), `AdjDate`);

ALTER TABLE `_etl_incoming_adjustment`
  ADD FULLTEXT KEY `words` (`AdjNote`);

LOAD DATA LOCAL INFILE 'row text' INTO TABLE `_etl_incoming_adjustment` CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' (`AdjNum`, `AdjDate`, `AdjAmt`, `Rate`, `AdjNote`, `Weird ``%"name`, `SecDateTEdit`, `Units`, `Length`, `Price`, `Big`);

SELECT `AdjNum`, `AdjDate`, `AdjAmt`, CAST(`Rate` AS DOUBLE), `AdjNote`, `Weird ``%"name`, `SecDateTEdit`, `Units`, `Length`, `Price`, `Big` FROM `adjustment` FORCE INDEX (PRIMARY) ORDER BY `AdjNum`;

SELECT `AdjNum`, `AdjDate`, `AdjAmt`, CAST(`Rate` AS DOUBLE), `AdjNote`, `Weird ``%"name`, `SecDateTEdit`, `Units`, `Length`, `Price`, `Big` FROM `adjustment` FORCE INDEX (PRIMARY) WHERE `AdjNum` >= -5 AND `AdjNum` < 70 ORDER BY `AdjNum`;

SELECT `AdjNum` FROM `adjustment` FORCE INDEX (PRIMARY) WHERE `AdjNum` >= 70 ORDER BY `AdjNum` LIMIT 1 OFFSET 1000;

SELECT MIN(`AdjNum`) FROM `adjustment` FORCE INDEX (PRIMARY) WHERE `AdjNum` > 70;
