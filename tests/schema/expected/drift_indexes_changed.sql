-- patient.names: index dropped: (LName) (follow)
-- replication
ALTER TABLE `patient`
  DROP KEY `names`;
-- raw
-- patient.names: index added: (LName) (follow)
-- replication
ALTER TABLE `patient`
  ADD KEY `names` (`LName`);
-- raw
-- patient.words: index added: (Note) (follow)
-- replication
ALTER TABLE `patient`
  ADD FULLTEXT KEY `words` (`Note`);
-- raw
