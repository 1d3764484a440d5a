-- What the practice chose in the program's windows of preferences; figures follow from some.
-- PayPlansVersion: 1 do not age, 2 age credits and debits, 3 age credits only, 4 no charges.
-- ReportsPPOwriteoffDefaultToProcDate: 0 insurance pay date, 1 procedure date, 2 claim date.
INSERT INTO preference (PrefNum, PrefName, ValueString, Comments)
VALUES
  (1, 'PracticeTitle', 'Example Dental', ''),
  (2, 'EasyNoClinics', '0', ''),
  (3, 'PayPlansVersion', '2', ''),
  (4, 'PayPlansBillInAdvanceDays', '10', NULL),
  (5, 'ReportsPPOwriteoffDefaultToProcDate', '0', ''),
  (6, 'AgingProcLifo', '2', ''),
  (7, 'AgingCalculatedMonthlyInsteadOfDaily', '0', 'Once a "month"?\r\nNo.'),
  (8, 'DateLastAging', '2024-06-28', NULL),
  (9, 'TransferSplitsInUnearned', '1', ''),
  (10, 'BackupFromPath', 'C:\\mysql\\data\\', ''),
  (11, 'ReportsShowPatNum', '0', ''),
  (12, 'UnearnedReportTypes', '', '');
