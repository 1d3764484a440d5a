"""Row text: MySQL's rows as lines that both LOAD DATA and COPY read, without Python objects.

A value travels as the text in which the server sent it. ``select`` asks for it, ``reader`` takes
the server's packets, the ``kernel`` turns packets into lines, and ``load_data`` and
``copy`` are the two sinks.
"""
