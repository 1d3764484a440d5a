"""An independent reckoning: figures computed in Python from the rows of ``raw``.

It follows OpenDental's manual and public source, and shares nothing with the SQL of the models or
of the synthetic practice. Each module takes one theme and names the source of its rules.
"""
