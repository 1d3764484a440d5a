"""What is seen of a database, by lines as MariaDB 10.11 and MySQL 9.7 write them."""

from __future__ import annotations

import pytest

from etl_pipeline.core.grants import GrantRules, parse_grants, reads_database, tables_read

ANY = GrantRules()
NONE = "GRANT USAGE ON *.* TO `r`@`%` IDENTIFIED BY PASSWORD '*A'"
PARTIAL = GrantRules(ignores_case=False, has_patterns=False)


@pytest.mark.parametrize(
    ("lines", "rules", "reads"),
    [
        ([NONE], ANY, False),
        (["GRANT SELECT ON *.* TO `r`@`%`"], ANY, True),
        (["GRANT ALL PRIVILEGES ON *.* TO `r`@`%` WITH GRANT OPTION"], ANY, True),
        (["GRANT INSERT ON *.* TO `r`@`%`"], ANY, False),
        ([r"GRANT SELECT ON `open\_dental`.* TO `r`@`%`"], ANY, True),
        (["GRANT SELECT ON `open%`.* TO 'r'@'%'"], ANY, True),
        (["GRANT SELECT ON `open_dental`.* TO `r`@`%`"], ANY, True),
        (["GRANT SELECT ON `other`.* TO `r`@`%`"], ANY, False),
        (["GRANT SELECT ON `open_dental`.`t` TO `r`@`%`"], ANY, False),
        (["GRANT SELECT ON `Open_Dental`.* TO `r`@`%`"], ANY, True),
        (["GRANT SELECT ON `Open_Dental`.* TO `r`@`%`"], GrantRules(ignores_case=False), False),
        # A role in MariaDB, and everybody.
        ([NONE, "GRANT SELECT ON `open_dental`.* TO `reader`"], ANY, True),
        (["GRANT `reader` TO `r`@`%`", NONE], ANY, False),
        ([NONE, "GRANT SELECT, INSERT ON `open_dental`.* TO PUBLIC"], ANY, True),
        # The closest pattern counts alone, and it is not known here which that is.
        (
            [
                "GRANT SELECT ON `open%`.* TO `r`@`%`",
                "GRANT INSERT ON `open_dental`.* TO `r`@`%`",
            ],
            ANY,
            False,
        ),
        # MySQL's partial revokes: names are no patterns there.
        (
            [
                "GRANT SELECT ON *.* TO `r`@`%`",
                "REVOKE SELECT ON `open_dental`.* FROM `r`@`%`",
            ],
            PARTIAL,
            False,
        ),
        (
            ["GRANT SELECT ON *.* TO `r`@`%`", "REVOKE SELECT ON `mysql`.* FROM `r`@`%`"],
            PARTIAL,
            True,
        ),
        (
            ["GRANT SELECT ON *.* TO `r`@`%`", "REVOKE INSERT ON `open_dental`.* FROM `r`@`%`"],
            PARTIAL,
            True,
        ),
        (["GRANT SELECT ON `open%`.* TO `r`@`%`"], PARTIAL, False),
        (["GRANT SELECT (`a`) ON `open_dental`.`t` TO `r`@`%`"], ANY, False),
        (["GRANT EXECUTE ON PROCEDURE `open_dental`.`p` TO `r`@`%`"], ANY, False),
        (["GRANT PROXY ON ''@'%' TO `r`@`%`"], ANY, False),
    ],
)
def test_whether_every_table_is_seen(lines: list[str], rules: GrantRules, reads: bool) -> None:
    assert reads_database(parse_grants(lines), "open_dental", rules) is reads


def test_tables_with_a_grant_of_their_own() -> None:
    lines = [
        "GRANT SELECT, INSERT ON `open_dental`.`patient` TO `r`@`%`",
        "GRANT SELECT ON `open_dental`.`a``b.c` TO `r`@`%`",
        "GRANT SELECT (`id`, `a),b`) ON `open_dental`.`claim` TO `r`@`%`",
        "GRANT INSERT, SELECT (`id`) ON `open_dental`.`visit` TO `r`@`%`",
        "GRANT INSERT ON `open_dental`.`note` TO `r`@`%`",
        "GRANT SELECT ON `openXdental`.`secret` TO `r`@`%`",
        "GRANT SELECT ON `open_dental`.`of_a_role` TO `reader`",
    ]
    found = tables_read(parse_grants(lines), "open_dental", ANY)
    assert found == {"patient", "a`b.c", "of_a_role"}
