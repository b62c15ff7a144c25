from __future__ import annotations

from click.testing import CliRunner

from cli.main import main
from platforms.platform import Platform


def test_a_key_is_printed_as_a_shell_wants_it(platform: Platform) -> None:
    platform.secrets.create("scoring-diabetes-prod", "default prod-key\nother other-key\n")
    platform.secrets.create("scoring-diabetes-qa", "default qa-key\n")
    for arguments, key in ((["diabetes"], "prod-key\n"), (["diabetes", "qa"], "qa-key\n")):
        assert CliRunner().invoke(main, ["key", *arguments]).output == key


def test_what_has_no_key_is_named(platform: Platform) -> None:
    for arguments, message in ((["diabetes"], "no secret 'scoring-diabetes-prod'"), (["none"], "no recipe none")):
        done = CliRunner().invoke(main, ["key", *arguments])
        assert done.exit_code == 1
        assert message in done.output
