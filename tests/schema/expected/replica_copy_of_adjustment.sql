CREATE TABLE `_etl_incoming_copy_of_adjustment` (
  `AdjNum` bigint(20) NOT NULL,
  `AdjDate` date NOT NULL,
  `AdjAmt` double NOT NULL COMMENT 'positive: a charge'
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COMMENT='[made by etl_pipeline]';

LOAD DATA LOCAL INFILE 'row text' INTO TABLE `_etl_incoming_copy_of_adjustment` CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' (`AdjNum`, `AdjDate`, `AdjAmt`);

SELECT `AdjNum`, `AdjDate`, `AdjAmt` FROM `copy_of_adjustment`;

SELECT `AdjNum`, `AdjDate`, `AdjAmt` FROM `copy_of_adjustment`;

-- one chunk;

-- one chunk;
