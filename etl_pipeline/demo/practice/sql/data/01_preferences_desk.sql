-- What the front desk chose. BrokenApptProcedure: 0 none, 1 missed, 2 cancelled, 3 both, which says
-- which codes are charted when a visit is broken.
INSERT INTO preference (PrefNum, PrefName, ValueString, Comments)
VALUES
  (101, 'BrokenApptProcedure', '3', ''),
  (102, 'BrokenAppointmentAdjustmentType', '105', ''),
  (103, 'BalancesDontSubtractIns', '0', NULL);
