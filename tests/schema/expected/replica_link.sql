CREATE TABLE `_etl_incoming_link` (
  `AdjNum` bigint(20) NOT NULL,
  `Units` int(10) unsigned NOT NULL,
  PRIMARY KEY (`AdjNum`, `Units`)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COMMENT='[made by etl_pipeline]';

LOAD DATA LOCAL INFILE 'row text' INTO TABLE `_etl_incoming_link` CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' (`AdjNum`, `Units`);

SELECT `AdjNum`, `Units` FROM `link` FORCE INDEX (PRIMARY) ORDER BY `AdjNum`, `Units`;

SELECT `AdjNum`, `Units` FROM `link` FORCE INDEX (PRIMARY) WHERE `AdjNum` >= -5 AND `AdjNum` < 70 ORDER BY `AdjNum`, `Units`;

SELECT `AdjNum` FROM `link` FORCE INDEX (PRIMARY) WHERE `AdjNum` >= 70 ORDER BY `AdjNum` LIMIT 1 OFFSET 1000;

SELECT MIN(`AdjNum`) FROM `link` FORCE INDEX (PRIMARY) WHERE `AdjNum` > 70;
